#!/usr/bin/env python3
"""DTMF audio test set, 8 kHz mono s16le WAV. Deterministic (seeded). Writes wav/*.wav and manifest_audio.json into the folder OUT.
Levels are dBm0 per tone; a full-scale sine is +3.14 dBm0 (G.711 A-law). G.711 by the stdlib audioop (pip audioop-lts from Python 3.13)."""
import audioop, glob, json, os, subprocess, sys, tempfile, wave
import numpy as np
HERE = os.environ.get("OUT") or sys.exit("gen_audio.py: OUT names the folder to write to; `make dtmf` sets it"); W = f"{HERE}/wav"; os.makedirs(W, exist_ok=True)
FS, SEED = 8000, int(os.environ.get("SEED", 20261122))
ROW, COL, KEYS = (697, 770, 852, 941), (1209, 1336, 1477, 1633), "123A456B789C*0#D"
ALL = KEYS
rng = np.random.default_rng(SEED)
man = []
def amp(dbm0): return 32767*10**((dbm0-3.14)/20)
def tone(d, ms, low=-10., high=-10., flow=0., fhigh=0., ramp=0.):
    i = KEYS.index(d); n = int(round(ms*FS/1000)); t = np.arange(n)/FS
    x = amp(low)*np.sin(2*np.pi*ROW[i//4]*(1+flow/100)*t+rng.uniform(0, 2*np.pi)) + amp(high)*np.sin(2*np.pi*COL[i % 4]*(1+fhigh/100)*t+rng.uniform(0, 2*np.pi))
    if ramp: r = int(ramp*FS/1000); e = np.ones(n); e[:r] = np.linspace(0, 1, r); e[-r:] = np.linspace(1, 0, r); x = x*e
    return x
def seq(digits, on=50, off=50, jitter=True, **k):
    """silence-separated digits; each start is jittered by 0..12.75 ms so block-based detectors meet every phase"""
    parts, ev, pos = [np.zeros(800)], [], 800
    for d in digits:
        if jitter: z = int(rng.integers(0, 103)); parts.append(np.zeros(z)); pos += z
        x = tone(d, on(d) if callable(on) else on, **k); parts.append(x); ev.append([d, round(pos*1000/FS, 3), round(len(x)*1000/FS, 3)]); pos += len(x)
        z = int(round(off*FS/1000)); parts.append(np.zeros(z)); pos += z
    parts.append(np.zeros(1600)); return np.concatenate(parts), ev
def clip(x): return np.clip(np.round(x), -32768, 32767).astype("<i2")
def codec(x, c):
    b = clip(x).tobytes()
    if c == "ulaw": b = audioop.ulaw2lin(audioop.lin2ulaw(b, 2), 2)
    if c == "alaw": b = audioop.alaw2lin(audioop.lin2alaw(b, 2), 2)
    return np.frombuffer(b, "<i2")
def save(name, x, ev, cls, group, c="pcm", **p):
    y = codec(x, c) if c in ("ulaw", "alaw", "pcm") else x
    with wave.open(f"{W}/{name}.wav", "wb") as f: f.setnchannels(1); f.setsampwidth(2); f.setframerate(FS); f.writeframes(np.asarray(y, "<i2").tobytes())
    man.append(dict(file=f"wav/{name}.wav", group=group, cls=cls, codec=c, seconds=round(len(y)/FS, 2), digits="".join(e[0] for e in ev), events=ev, params=p))

for c in ("pcm", "ulaw", "alaw"):
    x, ev = seq(ALL*10, low=-4, high=-4); save(f"decode_{c}", x, ev, "must", "decode check (Mitel 2)", c)
    for lv in (-3, -7, -10, -13, -16, -19, -22, -25): x, ev = seq(ALL*3, low=lv, high=lv); save(f"level_{lv}_{c}", x, ev, "must", "level -3..-25 dBm0", c, level=lv)
    for lv in (-28, -31, -34, -37, -40): x, ev = seq(ALL*2, low=lv, high=lv); save(f"level_{lv}_{c}", x, ev, "info", "level -28..-40 dBm0", c, level=lv)
    for lv in (-55, -60): x, ev = seq(ALL*2, low=lv, high=lv); save(f"level_{lv}_{c}", x, [], "must_not", "level <= -55 dBm0", c, level=lv)
for off in (-1.5, -1., -.5, .5, 1., 1.5):
    for who in ("low", "high", "both"):
        x, ev = seq(ALL*2, low=-17, high=-17, flow=off if who != "high" else 0, fhigh=off if who != "low" else 0); save(f"freq_{who}_{off}", x, ev, "must", "frequency within 1.5 %", "alaw", offset=off, who=who)
x, ev = seq(ALL*2, low=-17, high=-17, flow=1.5, fhigh=-1.5); save("freq_opposed_1.5", x, ev, "must", "frequency within 1.5 %", "alaw")
for off in (-3., -2.5, -2., 2., 2.5, 3.):
    for who in ("low", "high"):
        x, ev = seq(ALL*2, low=-17, high=-17, flow=off if who == "low" else 0, fhigh=off if who == "high" else 0); save(f"freq_{who}_{off}", x, ev, "info", "frequency 2..3 % (undefined)", "alaw", offset=off, who=who)
for off in (-6., -5., -4., -3.5, 3.5, 4., 5., 6.):
    for who in ("low", "high"):
        x, ev = seq(ALL*2, low=-17, high=-17, flow=off if who == "low" else 0, fhigh=off if who == "high" else 0); save(f"freq_{who}_{off}", x, [], "must_not", "frequency off by >= 3.5 %", "alaw", offset=off, who=who, would_be=ALL*2)
for tw in range(0, 17):
    x, ev = seq(ALL*2, low=-6, high=-6-tw); save(f"twist_n{tw}", x, ev, "must" if tw <= 8 else "info", "normal twist <= 8 dB" if tw <= 8 else "normal twist 9..16 dB", "alaw", twist=-tw)
for tw in range(1, 13):
    x, ev = seq(ALL*2, low=-6-tw, high=-6); save(f"twist_r{tw}", x, ev, "must" if tw <= 4 else "info", "reverse twist <= 4 dB" if tw <= 4 else "reverse twist 5..12 dB", "alaw", twist=tw)
for on in (40, 42, 45, 50, 60, 70, 100, 200, 400):
    x, ev = seq(ALL*(5 if on <= 60 else 2), on=on, off=60); save(f"dur_{on}", x, ev, "must", "tone 40 ms and longer", "alaw", on=on)
for on in (24, 27, 30, 33, 36, 39): x, ev = seq(ALL*3, on=on, off=60); save(f"dur_{on}", x, ev, "info", "tone 24..39 ms (undefined)", "alaw", on=on)
for on in (8, 12, 16, 20, 23): x, ev = seq(ALL*5, on=on, off=60); save(f"dur_{on}", x, [], "must_not", "tone <= 23 ms", "alaw", on=on, would_be=ALL*5)
x, ev = seq("159D", on=5000, off=100); save("hold_5s", x, ev, "must", "one digit while a key is held", "alaw")
for off in (40, 45, 50, 60, 80): x, ev = seq("".join(d*4 for d in ALL), on=50, off=off, jitter=False); save(f"pause_{off}", x, ev, "must", "pause >= 40 ms separates equal digits", "alaw", pause=off)
for off in (20, 25, 30, 35): x, ev = seq("".join(d*4 for d in ALL), on=50, off=off, jitter=False); save(f"pause_{off}", x, ev, "info", "pause 20..35 ms (undefined)", "alaw", pause=off)
for gap in (2, 5, 8, 10):                                   # interruption inside one press: still one digit
    parts, ev, pos = [np.zeros(800)], [], 800
    for d in ALL*3:
        z = int(rng.integers(0, 103)); a, b = tone(d, 60), tone(d, 60); g = np.zeros(int(gap*8)); p = np.concatenate([np.zeros(z), a, g, b, np.zeros(480)])
        ev.append([d, (pos+z)/8, (len(a)+len(g)+len(b))/8]); parts.append(p); pos += len(p)
    save(f"interrupt_{gap}", np.concatenate(parts+[np.zeros(1600)]), ev, "must", "interruption <= 10 ms is one digit", "alaw", gap=gap)
for snr in (30, 24, 20, 18, 15, 12, 10, 8, 6, 4):           # white noise 0-4 kHz against the power of the pair
    x, ev = seq(ALL*5, low=-10, high=-10); p = amp(-10)**2; x = x+rng.normal(0, np.sqrt(p/10**(snr/10)), len(x)); save(f"snr_{snr}", x, ev, "must" if snr >= 15 else "info", "white noise SNR >= 15 dB" if snr >= 15 else "white noise SNR 4..12 dB", "alaw", snr=snr)
for on in (40,):
    for snr in (24, 18, 15): x, ev = seq(ALL*5, on=on, off=50, low=-10, high=-10); p = amp(-10)**2; x = x+rng.normal(0, np.sqrt(p/10**(snr/10)), len(x)); save(f"snr_{snr}_on{on}", x, ev, "must", "40 ms tone with SNR >= 15 dB", "ulaw", snr=snr, on=on)
for dt in (-20, -15, -10, -5, 0):                            # dial tone under the digits, level relative to each tone
    x, ev = seq(ALL*3, low=-15, high=-15); t = np.arange(len(x))/FS; x = x+amp(-15+dt)*(np.sin(2*np.pi*350*t)+np.sin(2*np.pi*440*t)); save(f"dialtone_{dt}", x, ev, "info", "dial tone mixed in", "alaw", rel=dt)
for rp in (3, 6, 10): x, ev = seq(ALL*3, on=70, off=60, ramp=rp); save(f"ramp_{rp}", x, ev, "must", "70 ms with soft edges", "ulaw", ramp=rp)
for g in (3, 6, 9): x, ev = seq(ALL*3, on=80, low=-3+g, high=-3+g); save(f"clip_{g}", x, ev, "info", "clipped at the codec", "alaw", over_db=g)
for on in (60, 80, 100):                                     # a 20 ms packet lost inside a digit: zero-filled
    x, ev = seq(ALL*3, on=on, off=80, jitter=True); y = x.copy()
    for d, s, l in ev:
        f0 = int((s+l*rng.uniform(.2, .8))*8)//160*160; y[f0:f0+160] = 0
    save(f"plc_zero_{on}", y, ev, "info", "one 20 ms packet lost in each digit", "ulaw", on=on)

# Speech and music, in which there is no digit.
def read(p):
    r = subprocess.run(["sox", p, "-t", "raw", "-r", "8000", "-c", "1", "-e", "signed", "-b", "16", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(r, "<i2").astype(float)
def level_to(x, dbov): r = np.sqrt((x[np.abs(x) > 200]**2).mean()) if (np.abs(x) > 200).any() else 1; return x*(32767*10**(dbov/20)/r)
voices = {}
for v in sorted(glob.glob("/usr/share/asterisk/sounds/*_*_*" if not os.environ.get("QUICK") else "/usr/share/asterisk/sounds/en_US*")):
    fs = sorted(f for f in glob.glob(v+"/**/*.wav", recursive=True) if "silence" not in f and "beep" not in f and "/dtmf" not in f)
    if fs:
        parts = []
        for i in range(0, len(fs), 200):
            r = subprocess.run(["sox", *fs[i:i+200], "-t", "raw", "-r", "8000", "-c", "1", "-e", "signed", "-b", "16", "-"], capture_output=True).stdout; parts.append(np.frombuffer(r, "<i2").astype(float))
        voices[os.path.basename(v)] = np.concatenate(parts)
for name, x in voices.items():
    for lv in (-16, -26):
        y = level_to(x, lv); save(f"talkoff_real_{name}_{lv}", y, [], "must_not", "talk-off: recorded human speech", "ulaw", voice=name, dbov=lv)
for p in sorted(glob.glob("/usr/share/asterisk/moh/*.wav")): save("talkoff_moh_"+os.path.basename(p)[:-4], read(p), [], "must_not", "talk-off: recorded music", "ulaw")
EN = """Please rate the service you received from our agent today. Press one if you are very satisfied, two if you are satisfied, three if you are neutral, four if you are dissatisfied, five if you are very dissatisfied.
Thank you for calling. I waited twenty three minutes and nobody answered the phone, so I would like to speak with a supervisor about my invoice number seven seven four nine one zero.
The quick brown fox jumps over the lazy dog while we were away a year ago in Louisiana; how are you, why don't you owe me a yellow yo-yo, you and I argue.
No, no, no, that is not what I ordered. Yes, the account ends in eight six two oh. Could you hold the line, please? Hello? Hello, are you there? Okay, okay, fine, goodbye."""
ZH = """请您对本次服务进行评价。非常满意请按一,满意请按二,一般请按三,不满意请按四,非常不满意请按五。感谢您的来电,再见。
我等了二十三分钟也没有人接电话,我想和你们的主管谈一谈我的账单,号码是七七四九一零。喂,喂,您好,请问您还在吗?
明天下午两点半我会再打电话来,麻烦您帮我记录一下,订单编号是八六二零五三一九。对,没错,就是这样,好的,谢谢,不客气。"""
def speak(text, voice, speed, pitch):
    p = f"{tempfile.gettempdir()}/espk.{os.getpid()}.wav"; subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "-w", p, text], check=True); x = read(p); os.remove(p); return x
for lang, text, vs in (("en", EN, ["en-us", "en-us+f3", "en-gb+m3", "en-us+f5", "en-us+m7"]), ("zh", ZH, ["cmn", "cmn+f2", "cmn+m4", "yue", "yue+f4"])):
    x = np.concatenate([speak(text, v, s, p) for v in vs for s, p in ((140, 50), (175, 70), (200, 30), (165, 90))]); save(f"talkoff_espeak_{lang}", level_to(x, -18), [], "must_not", "talk-off: synthetic speech en/zh", "ulaw")
def freq_ok(f): return all(abs(f/g-1) > .035 for g in ROW+COL)
x = []
for _ in range(600):                                         # chords: 1-4 partials, no component within 3.5 % of a DTMF frequency
    n = int(rng.integers(30, 400)*8); t = np.arange(n)/FS; y = np.zeros(n)
    for _ in range(int(rng.integers(1, 5))):
        while not freq_ok(fr := rng.uniform(200, 3000)): pass
        y += amp(rng.uniform(-25, -8))*np.sin(2*np.pi*fr*t+rng.uniform(0, 6.28))
    x += [y, np.zeros(int(rng.integers(0, 400)))]
save("talkoff_chords", np.concatenate(x), [], "must_not", "talk-off: chords off the grid", "ulaw")
x = []
for f0 in ROW+COL: t = np.arange(FS)/FS; x += [amp(-8)*np.sin(2*np.pi*f0*t), np.zeros(800)]
save("talkoff_single_tones", np.concatenate(x), [], "must_not", "talk-off: one DTMF frequency alone", "ulaw")
x = []
for a, b in [(i, j) for i in ROW for j in ROW if i < j]+[(i, j) for i in COL for j in COL if i < j]: t = np.arange(1600)/FS; x += [amp(-10)*(np.sin(2*np.pi*a*t)+np.sin(2*np.pi*b*t)), np.zeros(800)]
for tri in ((697, 1209, 1477), (697, 852, 1336), (770, 941, 1209), (852, 1209, 1633)): t = np.arange(1600)/FS; x += [amp(-10)*sum(np.sin(2*np.pi*f*t) for f in tri), np.zeros(800)]
save("talkoff_pairs_same_group", np.concatenate(x), [], "must_not", "talk-off: two of one group / three tones", "ulaw")
x = []
for fs_ in ((350, 440), (480, 620), (440, 480), (425,), (450,), (400, 450), (950,), (1400,), (1800,), (1100,), (2100,), (1300,), (2130, 2750)): t = np.arange(2*FS)/FS; x += [amp(-10)*sum(np.sin(2*np.pi*f*t) for f in fs_), np.zeros(1600)]
save("talkoff_call_progress", np.concatenate(x), [], "must_not", "talk-off: call progress, SIT, fax tones", "ulaw")
t = np.arange(30*FS)/FS
save("talkoff_sweep", amp(-8)*(np.sin(2*np.pi*(300*t+(3000-300)/(2*30)*t*t))+np.sin(2*np.pi*(900*t+(1700-900)/(2*30)*t*t))), [], "must_not", "talk-off: slow double sweep (crosses the grid)", "ulaw")
save("talkoff_noise", rng.normal(0, amp(-12), 120*FS), [], "must_not", "talk-off: white noise", "ulaw")
# Digits over the echo of our own prompt (barge-in).
sp = next(v for k, v in voices.items() if "en_US" in k)
for rel in (-30, -24, -18, -15, -12, -9, -6):
    x, ev = seq(ALL*4, on=80, off=120, low=-10, high=-10); s = sp[200000:200000+len(x)]; s = level_to(s, 0)/32767; pr = np.sqrt(amp(-10)**2)
    save(f"barge_{rel}", x+s*pr*10**(rel/20), ev, "must" if rel <= -18 else "info", "80 ms digit over prompt echo, echo <= -18 dB" if rel <= -18 else "80 ms digit over prompt echo -15..-6 dB", "ulaw", echo_db=rel)
json.dump(dict(seed=SEED, sample_rate=FS, cases=man), open(f"{HERE}/manifest_audio.json", "w"), indent=0)
print(len(man), "files", round(sum(m["seconds"] for m in man)/60, 1), "min;", {c: sum(1 for m in man if m["cls"] == c) for c in ("must", "must_not", "info")}, "digits", sum(len(m["digits"]) for m in man if m["cls"] == "must"))
