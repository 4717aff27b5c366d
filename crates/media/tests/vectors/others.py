"""Hears our Opus and G.722 with the decoders of others: libopus0 and libspandsp2 of Debian.

Encodes the shipped English prompts (`cargo run --example codecs`), decodes them with these libraries, and says
how alike each is to its recording (the correlation; 1 is the same) and which is the least so. Fails below 0.97
for G.722 and 0.85 for Opus, which takes away what is below speech. Run by hand: `make codecs`.
"""

import array
import ctypes
import pathlib
import subprocess
import sys
import wave

ROOT = pathlib.Path(__file__).resolve().parents[4]
FOLDER = ROOT / "target" / "codecs"
LEAST = {"G722": 0.97, "opus": 0.85}
LAG_MAX = 400  # 25 ms at 16 kHz


def library(name, package):
    try:
        return ctypes.CDLL(name)
    except OSError:
        sys.exit(f"{name} is not here: apt-get install {package}")


def packets(file):
    data, at = file.read_bytes(), 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        yield data[at + 2 : at + 2 + length]
        at += 2 + length


def by_libopus(file):
    opus = library("libopus.so.0", "libopus0")
    opus.opus_decoder_create.restype = ctypes.c_void_p
    decoder = ctypes.c_void_p(opus.opus_decoder_create(16000, 1, None))
    heard, out = array.array("h"), (ctypes.c_int16 * 5760)()
    for packet in packets(file):
        count = opus.opus_decode(decoder, packet, len(packet), out, 5760, 0)
        if count < 0:
            sys.exit(f"{file.name}: libopus refuses a packet: {count}")
        heard.extend(out[:count])
    return heard


def by_spandsp(file):
    spandsp = library("libspandsp.so.2", "libspandsp2")
    spandsp.g722_decode_init.restype = ctypes.c_void_p
    decoder = ctypes.c_void_p(spandsp.g722_decode_init(None, 64000, 0))
    heard, out = array.array("h"), (ctypes.c_int16 * 4096)()
    for packet in packets(file):
        heard.extend(out[: spandsp.g722_decode(decoder, out, packet, len(packet))])
    return heard


def alike(said, heard):
    def correlation(lag):
        pairs = list(zip(said, heard[lag:]))
        both = sum(a * b for a, b in pairs)
        return both / max(1.0, (sum(a * a for a, _ in pairs) * sum(b * b for _, b in pairs)) ** 0.5)

    # The codecs' delays are whole and known to be short: every lag is tried on a part, the best on the whole.
    part = said[: 16000]
    best = max(range(LAG_MAX), key=lambda lag: sum(a * b for a, b in zip(part, heard[lag:])))
    return correlation(best)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    prompts = sorted((ROOT / "prompts" / "en").glob("*.wav"))
    command = ["cargo", "run", "--quiet", "--release", "--locked", "-p", "aftercall-media", "--example", "codecs"]
    subprocess.run([*command, "--", FOLDER, *prompts], cwd=ROOT, check=True)
    failed = False
    for codec, decode in (("G722", by_spandsp), ("opus", by_libopus)):
        found = {}
        for prompt in prompts:
            with wave.open(str(prompt)) as wav:
                said = array.array("h", wav.readframes(wav.getnframes()))
            found[prompt.stem] = alike(said, decode(FOLDER / f"{prompt.stem}.{codec}"))
        worst = min(found, key=found.get)
        mean = sum(found.values()) / len(found)
        print(f"{codec}: {mean:.4f} in the mean, {found[worst]:.4f} at least ({worst})")
        failed |= found[worst] < LEAST[codec]
    sys.exit(failed)


if __name__ == "__main__":
    main()
