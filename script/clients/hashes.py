"""Reference checksums for the cases, in the form S3 wants them (base64 of the big-endian value)."""

import base64
import functools
import hashlib
import zlib

# Reflected polynomials: CRC-32C (Castagnoli) and CRC-64/NVME.
_CRC32C_POLYNOMIAL = 0x82F63B78
_CRC64NVME_POLYNOMIAL = 0x9A6C9329AC4BC9B5


@functools.cache
def _table(polynomial):
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (polynomial if byte & 1 else 0)
        table.append(byte)
    return table


def _crc(body, polynomial, bits):
    table, mask = _table(polynomial), (1 << bits) - 1
    value = mask
    for byte in body:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return (value ^ mask).to_bytes(bits // 8, "big")


def _xx(name, body):
    import xxhash

    return getattr(xxhash, name)(body).digest()


RAW = {
    "CRC32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "CRC32C": lambda body: _crc(body, _CRC32C_POLYNOMIAL, 32),
    "CRC64NVME": lambda body: _crc(body, _CRC64NVME_POLYNOMIAL, 64),
    "SHA1": lambda body: hashlib.sha1(body).digest(),
    "SHA256": lambda body: hashlib.sha256(body).digest(),
    "SHA512": lambda body: hashlib.sha512(body).digest(),
    "MD5": lambda body: hashlib.md5(body).digest(),
    "XXHASH64": lambda body: _xx("xxh64", body),
    "XXHASH3": lambda body: _xx("xxh3_64", body),
    "XXHASH128": lambda body: _xx("xxh3_128", body),
}
# The check values of the published catalogue of CRCs: a wrong reference would test nothing.
assert RAW["CRC32C"](b"123456789").hex() == "e3069283"
assert RAW["CRC64NVME"](b"123456789").hex() == "ae8b14860a799888"


def checksum(algorithm, body):
    return base64.b64encode(RAW[algorithm](body)).decode()


def composite(algorithm, parts):
    """The checksum of the parts' checksums, with their number."""
    joined = b"".join(RAW[algorithm](part) for part in parts)
    return f"{checksum(algorithm, joined)}-{len(parts)}"


def header(algorithm):
    return f"x-amz-checksum-{algorithm.lower()}"
