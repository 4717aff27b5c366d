//! G.711 once more, written from its tables: decision values, and the value in the middle of each two.

use aftercall_wire::g711::*;

/// The decision values above zero: `first`, then sixteen a segment, each segment's steps twice the last's.
fn decision_values(first: &[u32], segments: u32) -> Vec<u32> {
    let mut values = first.to_vec();
    for segment in 0..segments {
        for _ in 0..16 {
            values.push(values.last().unwrap() + (4 << segment));
        }
    }
    values
}

/// Table 2a, in fourteen bits: 1, 3, 5 ... 31, 35 ... 8159.
fn mu_law_decisions() -> Vec<u32> {
    decision_values(&(0..16).map(|n| 2 * n + 1).collect::<Vec<_>>(), 7)
}

/// Table 1a, in thirteen bits: 2, 4, 6 ... 64, 68 ... 4096.
fn a_law_decisions() -> Vec<u32> {
    decision_values(&(0..32).map(|n| 2 * n + 2).collect::<Vec<_>>(), 6)
}

#[test]
fn the_decision_values_are_those_printed_in_the_recommendation() {
    let mu_law = mu_law_decisions();
    assert_eq!(
        [15, 31, 47, 63, 79, 95, 111, 127].map(|n| mu_law[n]),
        [31, 95, 223, 479, 991, 2015, 4063, 8159]
    );
    let a_law = a_law_decisions();
    assert_eq!([31, 47, 63, 79, 95, 111, 127].map(|n| a_law[n]), [64, 128, 256, 512, 1024, 2048, 4096]);
}

/// Which of the 128 intervals a sample is in; on a decision value, the one further to the right.
fn interval(sample: i16, decisions: &[u32], scale: u32) -> u8 {
    let magnitude = u32::from(sample.unsigned_abs());
    let passed = |value: &&u32| {
        if sample < 0 { **value * scale < magnitude } else { **value * scale <= magnitude }
    };
    u8::try_from(decisions.iter().filter(passed).count().min(127)).unwrap()
}

#[test]
fn every_sample_has_the_code_of_its_interval() {
    let (mu_law, a_law) = (mu_law_decisions(), a_law_decisions());
    for sample in i16::MIN..=i16::MAX {
        let positive = if sample < 0 { 0 } else { 0x80 };
        let mu_code = positive | (0x7f - interval(sample, &mu_law, 4));
        assert_eq!(encode_mu_law(sample), mu_code, "mu-law of {sample}");
        let a_code = (positive | interval(sample, &a_law, 8)) ^ 0x55;
        assert_eq!(encode_a_law(sample), a_code, "A-law of {sample}");
    }
}

#[test]
fn every_code_stands_for_the_middle_of_its_interval() {
    let middle = |n: usize, decisions: &[u32]| {
        let below = if n == 0 { 0 } else { decisions[n - 1] };
        (below + decisions[n]) / 2
    };
    for code in 0..=u8::MAX {
        let sign = |positive: bool, value: u32| i32::try_from(value).unwrap() * if positive { 1 } else { -1 };
        let n = usize::from(0x7f - (code & 0x7f));
        let mu_value = if n == 0 { 0 } else { middle(n, &mu_law_decisions()) * 4 };
        assert_eq!(
            i32::from(decode_mu_law(code)),
            sign(code & 0x80 != 0, mu_value),
            "mu-law code {code:#04x}"
        );
        let plain = code ^ 0x55;
        let a_value = middle(usize::from(plain & 0x7f), &a_law_decisions()) * 8;
        assert_eq!(i32::from(decode_a_law(code)), sign(plain & 0x80 != 0, a_value), "A-law code {code:#04x}");
    }
}

#[test]
fn a_code_survives_decoding_and_encoding() {
    for code in 0..=u8::MAX {
        let sample = decode_mu_law(code);
        // Mu-law has two zeroes; only one comes back.
        let expected = if sample == 0 { MU_LAW_SILENCE } else { code };
        assert_eq!(encode_mu_law(sample), expected);
        assert_eq!(encode_a_law(decode_a_law(code)), code);
    }
    assert_eq!((encode_mu_law(0), encode_a_law(0)), (MU_LAW_SILENCE, A_LAW_SILENCE));
}

#[test]
fn a_law_by_its_name_is_that_law() {
    for sample in (i16::MIN..=i16::MAX).step_by(97) {
        assert_eq!(Law::Mu.encode(sample), encode_mu_law(sample));
        assert_eq!(Law::A.encode(sample), encode_a_law(sample));
    }
    for code in 0..=u8::MAX {
        assert_eq!((Law::Mu.decode(code), Law::A.decode(code)), (decode_mu_law(code), decode_a_law(code)));
    }
    assert_eq!((Law::Mu.silence(), Law::A.silence()), (encode_mu_law(0), encode_a_law(0)));
}
