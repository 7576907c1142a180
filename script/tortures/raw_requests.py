"""The requests of `bad-input`: bytes on a socket, most of them signed, none of them right."""

import os
import random

from signing import UNSIGNED, Signer, canonical_query


def signed_head(home, method, target, length=None, headers=None, payload=UNSIGNED):
    """The head of a signed request for `target`, whose query is taken as already encoded."""
    path, _, text = target.partition("?")
    query = [tuple((pair + "=").split("=")[:2]) for pair in text.split("&") if pair]
    headers = dict(headers or {})
    if length is not None:
        headers["content-length"] = str(length)
    signed = Signer(home).headers(method, path, query, headers, payload)
    full = path + ("?" + canonical_query(query) if query else "")
    lines = [f"{method} {full} HTTP/1.1"] + [f"{name}: {value}" for name, value in signed.items()] + ["connection: close", "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def read_status(connection):
    """The status of the final answer; 0 if the connection closed without one, 999 if nothing came in time."""
    data = b""
    try:
        while True:
            more = connection.recv(65536)
            data += more
            if data.startswith(b"HTTP/1.1 100") and b"\r\n\r\n" in data:
                data = data.split(b"\r\n\r\n", 1)[1]
            if not more or len(data) >= 12 and not data.startswith(b"HTTP/1.1 100"):
                break
    except TimeoutError:
        return 999
    except OSError:
        pass
    try:
        return int(data[9:12]) if data.startswith(b"HTTP/1.") else 0
    except ValueError:
        return 997


def HEADER_ATTACKS(home):
    host = f"Host: 127.0.0.1:{home.port}\r\n".encode()
    yield "one header of 1 MB", b"GET / HTTP/1.1\r\n" + host + b"X-Long: " + b"a" * 1000000 + b"\r\n\r\n"
    yield "10 000 headers", b"GET / HTTP/1.1\r\n" + host + b"".join(b"X-H%d: v\r\n" % n for n in range(10000)) + b"\r\n"
    yield "request line of 200 KB", b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\n" + host + b"\r\n"
    yield "query of 60 KB", signed_head(home, "GET", "/bad?prefix=" + "a" * 60000)
    yield "authorization of 15 KB", b"GET / HTTP/1.1\r\n" + host + b"Authorization: AWS4-HMAC-SHA256 " + b"a=b," * 3750 + b"\r\n\r\n"
    yield "no host", b"GET / HTTP/1.1\r\n\r\n"
    yield "two hosts", b"GET / HTTP/1.1\r\n" + host + b"Host: other\r\n\r\n"
    yield "metadata of 100 KB", signed_head(home, "PUT", "/bad/k", 0, {"x-amz-meta-a": "x" * 14000, "x-amz-meta-b": "x" * 14000})
    yield "header with a control byte", b"GET / HTTP/1.1\r\n" + host + b"X-A: a\x00b\r\n\r\n"
    yield "header without colon", b"GET / HTTP/1.1\r\n" + host + b"nonsense\r\n\r\n"
    yield "empty header name", b"GET / HTTP/1.1\r\n" + host + b": v\r\n\r\n"
    for name in ["range", "x-amz-date", "x-amz-copy-source", "content-md5", "x-amz-trailer", "x-amz-content-sha256",
                 "x-amz-checksum-crc32", "x-amz-tagging", "x-amz-decoded-content-length", "content-encoding"]:
        for value in ["", "\u00ff" * 100, "," * 500, "%" * 300, "=" * 300, "-1"]:
            if name == "range" or (name == "content-encoding"):
                continue  # a range or an encoding nobody understands is no error in HTTP
            if name == "content-md5" or not value:
                continue  # judged one by one in the client suites
            yield f"{name}: {value[:9]!r}", signed_head(home, "PUT", "/bad/k2", 0, {name: value}) if name not in (
                "x-amz-date", "x-amz-content-sha256", "x-amz-tagging", "x-amz-trailer", "x-amz-decoded-content-length"
            ) else b"PUT /bad/k2 HTTP/1.1\r\n" + host + f"{name}: {value}\r\ncontent-length: 0\r\n\r\n".encode()


def NUMBER_ATTACKS(home):
    host = f"Host: 127.0.0.1:{home.port}\r\n".encode()
    for value in ["-1", "99999999999999999999", "18446744073709551616", "1e3", "0x10", "+5", " ", "1,2", "9" * 400]:
        yield f"content-length {value[:22]}", b"PUT /bad/k HTTP/1.1\r\n" + host + f"Content-Length: {value}\r\n\r\nx".encode()
        for target in ["/bad?max-keys={}", "/bad?list-type=2&max-keys={}", "/bad?uploads&max-uploads={}", "/bad/kept?partNumber={}",
                       "/bad/kept?uploadId=x&max-parts={}", "/bad/kept?uploadId=x&part-number-marker={}"]:
            if value not in ("+5", " "):
                yield target.format(value[:22]), signed_head(home, "GET", target.format(value.replace(",", "%2C")))
        if value not in (" ",):
            yield f"part {value[:22]}", signed_head(home, "PUT", f"/bad/k?partNumber={value}&uploadId=x", 0)
    yield "two content-lengths", b"PUT /bad/k HTTP/1.1\r\n" + host + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"
    yield "content-length and chunked", b"PUT /bad/k HTTP/1.1\r\n" + host + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    yield "content-length of 6 TB", signed_head(home, "PUT", "/bad/k", 6 * 10**12)
    yield "decoded length of 6 TB", signed_head(home, "PUT", "/bad/k", 10, {"x-amz-decoded-content-length": str(6 * 10**12)}, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    for expires in ["-1", "99999999999999999999", "x", "", "604801"]:
        yield f"expires {expires}", (f"GET /bad/kept?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={home.key_id}%2F20260101%2Fus-east-1%2Fs3%2Faws4_request"
                                     f"&X-Amz-Date=20260101T000000Z&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host&X-Amz-Signature=00 HTTP/1.1\r\n").encode() + host + b"\r\n"
    for date in ["99991231T235959Z", "00000000T000000Z", "20260230T000000Z", "20260101T250000Z", "-20260101T000000Z", "20260101"]:
        yield f"date {date}", b"GET /bad/kept HTTP/1.1\r\n" + host + (
            f"x-amz-date: {date}\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\nauthorization: AWS4-HMAC-SHA256 Credential={home.key_id}/{date[:8]}/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=00\r\n\r\n").encode()


def BOMB_ATTACKS(home):
    def post(target, body, method="POST", more=None):
        import base64, hashlib

        headers = {"content-md5": base64.b64encode(hashlib.md5(body).digest()).decode()}
        headers.update(more or {})
        return signed_head(home, method, target, len(body), headers) + body

    laughs = b"<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'>" + b"".join(
        b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)) + b"]><Delete><Object><Key>&j;</Key></Object></Delete>"
    outside = b"<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/hostname'>]><Delete><Object><Key>&x;</Key></Object></Delete>"
    for target in ["/bad?delete", "/bad/kept?uploadId=x"]:
        yield f"entity bomb {target}", post(target, laughs)
        yield f"outside entity {target}", post(target, outside)
        yield f"100 000 levels {target}", post(target, b"<Delete>" * 100000)
        yield f"closed levels {target}", post(target, b"<a>" * 30000 + b"</a>" * 30000)
        yield f"not UTF-8 {target}", post(target, b"<Delete><Object><Key>\xff\xfe</Key></Object></Delete>")
        yield f"attribute of 500 KB {target}", post(target, b"<Delete a='" + b"x" * 500000 + b"'/>")
        yield f"empty {target}", post(target, b"")
        yield f"zeros {target}", post(target, b"\0" * 5000)
        yield f"JSON {target}", post(target, b'{"Objects":[]}')
        yield f"wrong root {target}", post(target, b"<Nothing/>")
        yield f"cut {target}", post(target, b"<Delete><Object><Key>k</Key></Obj")
    yield "key of 2000 bytes", post("/bad?delete", b"<Delete><Object><Key>" + b"k" * 3000000 + b"</Key></Object></Delete>")
    yield "bad chunk size", signed_head(home, "PUT", "/bad/k", None, {"transfer-encoding": "chunked"}) + b"zz\r\nhello\r\n0\r\n\r\n"
    yield "huge chunk size", signed_head(home, "PUT", "/bad/k", None, {"transfer-encoding": "chunked"}) + b"ffffffffffffffffff\r\nhello\r\n"
    framed = {"x-amz-decoded-content-length": "5", "content-encoding": "aws-chunked", "x-amz-trailer": "x-amz-checksum-crc32"}
    for name, body in [("size of 1 MB of digits", b"0" * 1000000), ("no end", b"5\r\nhello\r\n"), ("extension of 1 MB", b"5;" + b"x" * 1000000 + b"\r\nhello\r\n0\r\n\r\n"),
                       ("trailer of 1 MB", b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:" + b"A" * 1000000 + b"\r\n\r\n"), ("other trailer", b"5\r\nhello\r\n0\r\nx-amz-checksum-sha1:AAAA\r\n\r\n"),
                       ("sizes that wrap", b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n"), ("negative", b"-5\r\nhello\r\n0\r\n\r\n")]:
        yield f"aws-chunked: {name}", signed_head(home, "PUT", "/bad/k", len(body), framed, "STREAMING-UNSIGNED-PAYLOAD-TRAILER") + body


def GARBAGE(home):
    yield "TLS hello", bytes.fromhex("16030100a5010000a10303") + os.urandom(160)
    yield "HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + os.urandom(50)
    yield "HTTP/9.9", b"GET / HTTP/9.9\r\nHost: x\r\n\r\n"
    yield "only a line end", b"\r\n\r\n"
    yield "zeros", b"\0" * 4096
    yield "nothing", b""
    yield "spaces", b" " * 9000 + b"\r\n\r\n"
    for seed in range(30):
        yield f"noise {seed}", random.Random(seed).randbytes(2000) + b"\r\n\r\n"


class Mutator:
    """Good requests with random damage: some before they are signed, some after."""

    TARGETS = [
        ("GET", "/bad/kept", b""), ("HEAD", "/bad/kept", b""), ("GET", "/bad?list-type=2&prefix=w&max-keys=3", b""),
        ("GET", "/bad?delimiter=-&marker=k", b""), ("PUT", "/bad/mutated", b"body of a put"), ("DELETE", "/bad/none", b""),
        ("POST", "/bad?delete", b"<Delete><Object><Key>none</Key></Object></Delete>"), ("POST", "/bad/multi?uploads", b""),
        ("GET", "/bad?uploads", b""), ("GET", "/", b""), ("PUT", "/bad/part?partNumber=1&uploadId=abc", b"part"),
        ("POST", "/bad/multi?uploadId=abc", b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>"),
        ("GET", "/bad?location", b""), ("PUT", "/bad?versioning", b"<VersioningConfiguration/>"),
    ]
    WORDS = [b"%00", b"\0", b"\xff", b"-1", b"99999999999999999999", b"../", b"//", b"%2e%2e", b"&", b"=", b";", b"\r\n", b"<", b"\"", b"'", b"{}", b" ", b"a" * 3000]

    def __init__(self, home, numbers):
        self.home, self.numbers = home, numbers

    def next(self):
        method, target, body = self.numbers.choice(self.TARGETS)
        headers = {}
        if "delete" in target:
            import base64, hashlib

            headers["content-md5"] = base64.b64encode(hashlib.md5(body).digest()).decode()
        if self.numbers.random() < 0.5:
            body = self._damage(body)
        if self.numbers.random() < 0.4:
            target = self._damage(target.encode()).decode("latin-1").replace("\r", "%0D").replace("\n", "%0A").replace(" ", "%20")
            target = "/" + target.lstrip("/")
        request = signed_head(self.home, method, target, len(body), headers) + body
        if self.numbers.random() < 0.5:
            request = self._damage(request)
        return f"{method} {target[:60]}", request

    def _damage(self, data):
        data = bytearray(data)
        for _ in range(self.numbers.randrange(1, 4)):
            at = self.numbers.randrange(len(data) + 1)
            kind = self.numbers.randrange(4)
            if kind == 0:
                data[at:at] = self.numbers.choice(self.WORDS)
            elif kind == 1 and at < len(data):
                data[at] = self.numbers.randrange(256)
            elif kind == 2:
                del data[at : at + self.numbers.randrange(1, 10)]
            else:
                data[at:at] = data[at : at + self.numbers.randrange(1, 40)]
        return bytes(data)
