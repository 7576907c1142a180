"""Raw S3 requests over a plain socket connection, signed by hand (AWS Signature Version 4).

Why not boto3: these requests are the ones an SDK refuses to send, such as wrong signatures, odd
paths left exactly as written, and every way to frame a body. Nothing here normalises anything.
"""

import base64
import datetime
import hashlib
import hmac
import http.client
import urllib.parse
import xml.etree.ElementTree as ElementTree

UNSIGNED = "UNSIGNED-PAYLOAD"
STREAM_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAM_SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
STREAM_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


def quote(text, safe=""):
    """Percent-encoding as the signature wants it: only A-Z a-z 0-9 - . _ ~ stay."""
    return urllib.parse.quote(text, safe=safe + "-._~")


def key_path(bucket, key):
    """The path of a key: `/` stays, all else is encoded; the key is never normalised."""
    return f"/{bucket}/{quote(key, safe='/')}"


class Answer:
    """Status, headers (names in lower case) and the whole body."""

    def __init__(self, response, body):
        self.status, self.body = response.status, body
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    def error(self):
        """The fields of an XML error body, by name; empty if the body is not one."""
        try:
            root = ElementTree.fromstring(self.body)
        except ElementTree.ParseError:
            return {}
        return {field.tag.split("}")[-1]: field.text for field in root}

    def code(self):
        return self.error().get("Code")

    def __repr__(self):
        return f"<{self.status} {self.body[:200]!r}>"


class Signer:
    """Signs requests for one key. `now` may be moved, which is how wrong clocks are tested."""

    def __init__(self, home, region=None, key_id=None, secret=None, now=None):
        self.key_id, self.secret = key_id or home.key_id, secret or home.secret
        self.region, self.port = region or home.region, home.port
        self.now = now or datetime.datetime.now(datetime.timezone.utc)
        self.stamp = self.now.strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.stamp[:8]}/{self.region}/s3/aws4_request"
        self.seed = ""

    def _key(self):
        key = ("AWS4" + self.secret).encode()
        for word in self.scope.split("/"):
            key = hmac.digest(key, word.encode(), "sha256")
        return key

    def sign(self, text):
        return hmac.new(self._key(), text.encode(), "sha256").hexdigest()

    def _request_signature(self, method, path, query, headers, payload):
        names = sorted(headers)
        canonical = "\n".join(
            [method, path, canonical_query(query)]
            + [f"{name}:{' '.join(headers[name].split())}" for name in names]
            + ["", ";".join(names), payload]
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        return self.sign(f"AWS4-HMAC-SHA256\n{self.stamp}\n{self.scope}\n{digest}")

    def headers(self, method, path, query, headers, payload, unsigned=()):
        """All headers of a request signed in its Authorization header; those in `unsigned` are left out of it."""
        out = {name.lower(): value for name, value in headers.items()}
        out.setdefault("host", f"127.0.0.1:{self.port}")
        out.setdefault("x-amz-date", self.stamp)
        out["x-amz-content-sha256"] = payload
        signed = {name: value for name, value in out.items() if name not in unsigned}
        self.seed = self._request_signature(method, path, query, signed, payload)
        out["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.key_id}/{self.scope}, "
            f"SignedHeaders={';'.join(sorted(signed))}, Signature={self.seed}"
        )
        return out

    def presign(self, method, path, query=(), expires_s=300, host=None):
        """The path with a query that carries the signature."""
        host = host or f"127.0.0.1:{self.port}"
        query = list(query) + [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", f"{self.key_id}/{self.scope}"),
            ("X-Amz-Date", self.stamp), ("X-Amz-Expires", str(expires_s)), ("X-Amz-SignedHeaders", "host"),
        ]
        signature = self._request_signature(method, path, query, {"host": host}, UNSIGNED)
        return f"{path}?{canonical_query(query)}&X-Amz-Signature={signature}"

    def chunks(self, body, mode, trailer=None, chunk_bytes=64 * 1024, break_chunk=None):
        """The aws-chunked framing of `body`; call after `headers`. `break_chunk` spoils that chunk's signature."""
        out, previous, signed = [], self.seed, mode != STREAM_UNSIGNED_TRAILER
        pieces = [body[at : at + chunk_bytes] for at in range(0, len(body), chunk_bytes)] + [b""]
        for index, piece in enumerate(pieces):
            head = f"{len(piece):x}"
            if signed:
                text = f"AWS4-HMAC-SHA256-PAYLOAD\n{self.stamp}\n{self.scope}\n{previous}\n{EMPTY_SHA256}\n"
                previous = self.sign(text + hashlib.sha256(piece).hexdigest())
                head += ";chunk-signature=" + ("0" * 64 if break_chunk == index else previous)
            out += [head.encode(), b"\r\n", piece, b"\r\n" if piece else b""]
        if trailer:
            name, value = trailer
            out.append(f"{name}:{value}\r\n".encode())
            if signed:
                digest = hashlib.sha256(f"{name}:{value}\n".encode()).hexdigest()
                text = f"AWS4-HMAC-SHA256-TRAILER\n{self.stamp}\n{self.scope}\n{previous}\n{digest}"
                out.append(f"x-amz-trailer-signature:{self.sign(text)}\r\n".encode())
        return b"".join(out) + b"\r\n"


def canonical_query(query):
    return "&".join(f"{name}={value}" for name, value in sorted((quote(n), quote(v)) for n, v in query))


def exchange(port, method, target, headers, body=b"", timeout_s=60):
    """One request exactly as given, and its answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    connection._validate_path = lambda url: None
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        headers = dict(headers)
        if body or method in ("PUT", "POST"):
            headers.setdefault("content-length", str(len(body)))
        for name, value in headers.items():
            connection.putheader(name, value.encode() if isinstance(value, str) else value)
        connection.endheaders(body if body else None)
        response = connection.getresponse()
        return Answer(response, response.read())
    finally:
        connection.close()


def send(home, method, path, query=(), headers=None, body=b"", payload=None, signer=None, unsigned=()):
    """A request signed in its header, with the body's hash unless `payload` names another mode."""
    signer = signer or Signer(home)
    payload = payload or hashlib.sha256(body).hexdigest()
    out = signer.headers(method, path, query, headers or {}, payload, unsigned)
    target = path + ("?" + canonical_query(query) if query else "")
    return exchange(home.port, method, target, out, body)


def crc32_base64(body):
    import zlib

    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
