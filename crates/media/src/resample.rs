//! From one sample rate to another: a low-pass filter, then every n-th sample.

use std::f64::consts::PI;

/// The telephone's sample rate, in hertz: that of G.711.
pub(crate) const TELEPHONE_HZ: u32 = 8000;

/// What is below passes unchanged, of the lower sample rate: at 8 kHz the upper edge of the telephone band
/// (ITU-T G.712), 3,400 Hz.
const PASS: f64 = 3400.0 / 8000.0;

/// What is above is gone: half the lower sample rate, so that nothing folds back.
const STOP: f64 = 0.5;

/// How far it is gone, in decibels. G.711 itself carries noise some 38 dB below the speech.
const STOP_DB: f64 = 60.0;

/// `samples` at `up`/`down` of their rate, without delay: `up` values for each, all but one of them zeros,
/// low-passed; every `down`-th is kept.
pub(crate) fn resample(samples: &[i16], up: usize, down: usize) -> Vec<i16> {
    if up == down {
        return samples.to_vec();
    }
    let taps = low_pass(up.max(down));
    let centre = taps.len() / 2;
    let count = (samples.len() * up).div_ceil(down);
    let sample = |at: usize| {
        // The filter's middle lies at `at * down` of the raised rate; samples are at multiples of `up`.
        let from = (at * down).saturating_sub(centre).div_ceil(up);
        let until = ((at * down + centre) / up + 1).min(samples.len());
        let weighed = (from..until).zip(samples.get(from..until).unwrap_or_default());
        let sum: f64 =
            weighed.map(|(n, &sample)| taps[n * up + centre - at * down] * f64::from(sample)).sum();
        (sum * up as f64).round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
    };
    (0..count).map(sample).collect()
}

/// A linear-phase low-pass for a rate `ratio` times the lower one: a sinc in Kaiser's window
/// (J. F. Kaiser 1974; Oppenheim and Schafer, Discrete-Time Signal Processing, 7.5.3), of gain 1 at 0 Hz.
fn low_pass(ratio: usize) -> Vec<f64> {
    let ratio = ratio as f64;
    let transition = 2.0 * PI * (STOP - PASS) / ratio;
    let half = ((STOP_DB - 7.95) / (2.285 * transition) / 2.0).ceil() as i32;
    let beta = 0.1102 * (STOP_DB - 8.7);
    let cutoff = f64::midpoint(STOP, PASS) / ratio;
    let taps: Vec<f64> = (-half..=half)
        .map(|at| {
            let from_centre = f64::from(at) / f64::from(half);
            let window = bessel_i0(beta * (1.0 - from_centre * from_centre).sqrt()) / bessel_i0(beta);
            window * sinc(2.0 * cutoff * f64::from(at))
        })
        .collect();
    let gain: f64 = taps.iter().sum();
    taps.iter().map(|tap| tap / gain).collect()
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The modified Bessel function of order zero, by its power series; exact to a double for x up to 20.
fn bessel_i0(x: f64) -> f64 {
    /// The terms fall below a double's precision before (x/2)^2k / k!^2 at k = 40 for x <= 20.
    const TERMS: u32 = 40;
    let quarter = x * x / 4.0;
    let mut term = 1.0;
    (1..=TERMS).fold(1.0, |sum, k| {
        term *= quarter / f64::from(k * k);
        sum + term
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATIOS: [usize; 4] = [2, 3, 4, 6];

    fn gain_db(taps: &[f64], hz: f64, rate: f64) -> f64 {
        let (re, im) = taps.iter().enumerate().fold((0.0, 0.0), |(re, im), (at, tap)| {
            let angle = 2.0 * PI * hz / rate * at as f64;
            (re + tap * angle.cos(), im - tap * angle.sin())
        });
        10.0 * (re * re + im * im).log10()
    }

    fn sine(hz: f64, rate: f64, count: usize) -> Vec<i16> {
        (0..count).map(|at| (10_000.0 * (2.0 * PI * hz / rate * at as f64).sin()) as i16).collect()
    }

    fn level_db(samples: &[i16]) -> f64 {
        let inner = &samples[200..samples.len() - 200];
        let mean = inner.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / inner.len() as f64;
        10.0 * (mean / (10_000.0_f64.powi(2) / 2.0)).log10()
    }

    #[test]
    fn the_telephone_band_passes_within_a_tenth_of_a_decibel_and_what_would_fold_back_is_gone() {
        for ratio in RATIOS {
            let (taps, rate) = (low_pass(ratio), 8000.0 * ratio as f64);
            for step in 0..=340 {
                let db = gain_db(&taps, f64::from(step) * 10.0, rate);
                assert!(db.abs() < 0.1, "ratio {ratio}: {db} dB at {} Hz", step * 10);
            }
            let mut hz = 4000.0;
            while hz <= rate / 2.0 {
                let db = gain_db(&taps, hz, rate);
                assert!(db < -55.0, "ratio {ratio}: {db} dB at {hz} Hz");
                hz += 7.0;
            }
        }
    }

    #[test]
    fn a_tone_in_the_band_keeps_its_level_and_one_above_leaves_nothing() {
        for ratio in RATIOS {
            let rate = 8000.0 * ratio as f64;
            let speech = level_db(&resample(&sine(1000.0, rate, 4000 * ratio), 1, ratio));
            assert!(speech.abs() < 0.1, "ratio {ratio}: {speech} dB");
            let alias = level_db(&resample(&sine(5000.0, rate, 4000 * ratio), 1, ratio));
            assert!(alias < -50.0, "ratio {ratio}: {alias} dB");
        }
    }

    #[test]
    fn a_tone_keeps_its_level_and_its_place_at_every_ratio() {
        for (up, down) in [(2, 1), (2, 3), (1, 2), (1, 3), (3, 1)] {
            let rate = 8000.0 * down as f64;
            let out = resample(&sine(1000.0, rate, 4000 * down), up, down);
            assert_eq!(out.len(), 4000 * up, "{up}/{down}");
            let wanted = sine(1000.0, 8000.0 * up as f64, 4000 * up);
            for (at, (out, wanted)) in out.iter().zip(&wanted).enumerate().skip(200).take(3600) {
                assert!((out - wanted).abs() < 60, "{up}/{down}, sample {at}: {out}, not {wanted}");
            }
        }
    }

    #[test]
    fn a_click_stays_where_it_was() {
        for ratio in RATIOS {
            let mut samples = vec![0; 1000 * ratio];
            samples[500 * ratio] = 30_000;
            let out = resample(&samples, 1, ratio);
            assert_eq!(out.len(), 1000);
            let loudest = (0..out.len()).max_by_key(|&at| out[at].unsigned_abs());
            assert_eq!(loudest, Some(500), "ratio {ratio}");
        }
    }

    #[test]
    fn a_full_scale_square_saturates_and_does_not_wrap() {
        let square: Vec<i16> =
            (0..1600).map(|at| if at / 40 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let out = resample(&square, 1, 2);
        assert!(out.chunks(20).skip(1).all(|half| half[10].unsigned_abs() > 20_000));
        assert!(
            (0..out.len()).skip(20).all(|at| (out[at] > 0) == (square[2 * at] > 0) || out[at].abs() < 20_000)
        );
    }

    #[test]
    fn a_recording_of_one_sample_or_none_is_no_trouble() {
        assert_eq!(resample(&[], 1, 2), Vec::<i16>::new());
        assert_eq!(resample(&[1000], 1, 6).len(), 1);
        assert_eq!(resample(&[1, 2, 3], 1, 1), vec![1, 2, 3]);
    }
}
