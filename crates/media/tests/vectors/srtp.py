"""Writes srtp.txt: packets as libsrtp protects them, and as RFC 3711 and RFC 6188 say where pylibsrtp has no name for
the suite. Needs pylibsrtp 1.0 (libsrtp 2) and cryptography from PyPI.

Each line: suite, master key and salt, RTP or RTCP, packet in the clear, packet protected. The lines of one suite are
one stream in order: its sequence numbers roll over.
"""

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from pylibsrtp import Policy, Session

SUITES = [
    ("AES_CM_128_HMAC_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16 + 14),
    ("AES_CM_128_HMAC_SHA1_32", Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 16 + 14),
    ("AEAD_AES_128_GCM", Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16 + 12),
    ("AEAD_AES_256_GCM", Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32 + 12),
]

# The master key and salt of RFC 3711, B.3, and more where more are wanted.
MATERIAL = bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE41390EC675AD498AFEEBB6960B3AABE6") + bytes(range(14))

SSRC = bytes.fromhex("cafebabe")


def rtp(sequence, payload, first=0x80, between=b""):
    return bytes([first, 0x0F]) + sequence.to_bytes(2, "big") + bytes.fromhex("decafbad") + SSRC + between + payload


PACKETS = [
    ("RTP", rtp(0x1234, b"\xab" * 16)),
    ("RTP", rtp(0x1235, b"\xd5" * 160)),
    ("RTP", rtp(0x1236, b"")),
    # Two contributing sources.
    ("RTP", rtp(0x1237, b"\x01" * 20, 0x82, b"\x00\x00\x00\x01\x00\x00\x00\x02")),
    # An extension of one-byte headers that begins with padding and is filled up.
    ("RTP", rtp(0x1238, b"\x02" * 20, 0x90, bytes.fromhex("bede0003" "0000000010ff000000000000"))),
    # One whose last element says that it is longer than there is room, and one of another profile.
    ("RTP", rtp(0x1239, b"\x03" * 20, 0x90, bytes.fromhex("bede0001" "1fffffff"))),
    ("RTP", rtp(0x123A, b"\x04" * 20, 0x90, bytes.fromhex("12340002" "0102030405060708"))),
    ("RTP", rtp(0x123B, b"\x05" * 20, 0x90, bytes.fromhex("bede0000"))),
    # Padding.
    ("RTP", rtp(0x123C, b"\x06" * 20 + b"\x00\x00\x00\x04", 0xA0)),
    # Roll-over, twice, and a packet that came late.
    ("RTP", rtp(0x7FFF, b"\x07" * 20)),
    ("RTP", rtp(0xE000, b"\x07" * 20)),
    ("RTP", rtp(0xFFFF, b"\x08" * 20)),
    ("RTP", rtp(0x0001, b"\x09" * 20)),
    ("RTP", rtp(0x0000, b"\x0a" * 20)),
    ("RTP", rtp(0x7000, b"\x0b" * 20)),
    ("RTP", rtp(0xE000, b"\x0c" * 20)),
    ("RTP", rtp(0x0010, b"\x0d" * 20)),
    ("RTCP", bytes.fromhex("81c8000b") + SSRC + b"\xab" * 16),
    ("RTCP", bytes.fromhex("80c90001") + SSRC),
]



def counter_mode(key, iv, data):
    encryptor = Cipher(algorithms.AES(key), modes.CTR(iv.to_bytes(16, "big"))).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def derived(master, salt, label, length):
    """RFC 3711, 4.3.1, with a key derivation rate of zero."""
    return counter_mode(master, (int.from_bytes(salt, "big") ^ label << 48) << 16, bytes(length))


def iv(salt, ssrc, index):
    """RFC 3711, 4.1.1."""
    return int.from_bytes(salt, "big") << 16 ^ int.from_bytes(ssrc, "big") << 64 ^ index << 16


def header_length(packet):
    length = 12 + 4 * (packet[0] & 15)
    return length + (4 + 4 * int.from_bytes(packet[length + 2 : length + 4], "big") if packet[0] & 16 else 0)


class Session256:
    """One stream with AES-256 in counter mode: RFC 6188."""

    def __init__(self, material, tag):
        master, salt = material[:32], material[32:]
        self.keys = [derived(master, salt, label, length) for label, length in enumerate([32, 20, 14] * 2)]
        self.tag, self.turns, self.last, self.reports = tag, 0, None, 0

    def protect(self, packet):
        key, auth, salt = self.keys[:3]
        sequence = int.from_bytes(packet[2:4], "big")
        turns = self.turns
        if self.last is not None and self.last - sequence > 0x8000:
            turns += 1
        elif self.last is not None and sequence - self.last > 0x8000:
            turns -= 1
        if self.last is None or (turns, sequence) > (self.turns, self.last):
            self.turns, self.last = turns, sequence
        head = header_length(packet)
        sealed = packet[:head] + counter_mode(key, iv(salt, packet[8:12], turns << 16 | sequence), packet[head:])
        tag = hmac.new(auth, sealed + turns.to_bytes(4, "big"), hashlib.sha1).digest()
        return sealed + tag[: self.tag]

    def protect_rtcp(self, packet):
        key, auth, salt = self.keys[3:]
        self.reports += 1
        sealed = packet[:8] + counter_mode(key, iv(salt, packet[4:8], self.reports), packet[8:])
        sealed += (1 << 31 | self.reports).to_bytes(4, "big")
        return sealed + hmac.new(auth, sealed, hashlib.sha1).digest()[:10]


# RFC 6188, 7.3.
MASTER_256 = bytes.fromhex("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6")
SALT_256 = bytes.fromhex("3b04803de51ee7c96423ab5b78d2")
assert derived(MASTER_256, SALT_256, 0, 32).hex() == (
    "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4"
)
assert derived(MASTER_256, SALT_256, 2, 14).hex() == "fa31791685ca444a9e07c6c64e93"
assert derived(MASTER_256, SALT_256, 1, 20).hex() == "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"

with open("srtp.txt", "w") as out:

    def write(name, material, session):
        for kind, packet in PACKETS:
            protected = session.protect(packet) if kind == "RTP" else session.protect_rtcp(packet)
            out.write(f"{name} {material.hex()} {kind} {packet.hex()} {protected.hex()}\n")

    for name, profile, length in SUITES:
        policy = Policy(key=MATERIAL[:length], ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile)
        write(name, MATERIAL[:length], Session(policy=policy))
    for name, tag in [("AES_256_CM_HMAC_SHA1_80", 10), ("AES_256_CM_HMAC_SHA1_32", 4)]:
        write(name, MASTER_256 + SALT_256, Session256(MASTER_256 + SALT_256, tag))
