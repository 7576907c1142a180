"""A phone that sends photos and a film: plain HTTP, path style, presigned, every packet of a hundred lost, its clock wrong.

The phone is in a network of its own, 60 ms from three homes that are as far from each other. While a part of the film is
on its way its home vanishes; the phone asks another one what is there, sends the rest, and completes through the third.
"""

import concurrent.futures
import datetime
import hashlib
import http.client
import os
import random
import re
import types

from _own_homes import OwnHomes
from _surroundings import REGION, demand, skip
from home import Skip
from signing import UNSIGNED, Signer
from wan import Wan

BUCKET, PHOTOS, PHOTO, PART, PARTS = "camera", 12, 1 << 20, 5 << 20, 8
RTT_MS, LOSS_PERCENT = 60, 1
PHONE = 4
TRIES = 6
LIMIT_S = 60
VANISHES_IN = 4  # the part that is cut


class Phone:
    """Requests as an app sends them: one after the other on a connection, tried again through whichever home answers."""

    def __init__(self, homes, clock_minutes):
        self.homes, self.clock = homes, datetime.timedelta(minutes=clock_minutes)
        self.again = 0

    def link(self, home, method, key, query=(), expires_s=3600):
        """A presigned target, by the phone's clock: a late one makes links that hold shorter than they say."""
        return self._signer(home).presign(method, f"/{BUCKET}/{key}", query, expires_s, self._host(home))

    def _host(self, home):
        node = self.homes.nodes[home]
        return f"{node.host}:{node.s3_port}"

    def _signer(self, home):
        who = types.SimpleNamespace(key_id=self.homes.key, secret=self.homes.secret, region=REGION, port=self.homes.nodes[home].s3_port)
        return Signer(who, now=datetime.datetime.now(datetime.timezone.utc) + self.clock)

    def connect(self, home):
        node = self.homes.nodes[home]
        return http.client.HTTPConnection(node.host, node.s3_port, timeout=LIMIT_S)

    def once(self, home, method, target, body=b"", headers=None):
        connection = self.connect(home)
        try:
            connection.request(method, target, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    def send(self, method, key, query=(), body=b"", homes=(0, 1, 2)):
        """Tried again, as apps do, when the connection breaks or the home says that it cannot now."""
        for attempt in range(TRIES):
            home = homes[attempt % len(homes)]
            try:
                answer = self.once(home, method, self.link(home, method, key, query), body)
                if answer[0] < 500:
                    return answer
            except (OSError, http.client.HTTPException):
                pass
            self.again += 1
        raise AssertionError(f"{method} {key} failed {TRIES} times")

    def signed(self, home, method, path, body=b""):
        """Signed in its header, where a clock that is too far off is refused."""
        headers = self._signer(home).headers(method, path, (), {"host": self._host(home)}, UNSIGNED)
        return self.once(home, method, path, body, headers)


def photos(phone):
    """Three at a time, each through another home; read back through the next one."""
    bodies = [random.randbytes(PHOTO) for _ in range(PHOTOS)]

    def one(number):
        homes = [(number + step) % 3 for step in range(3)]
        status, text, headers = phone.send("PUT", f"photo-{number}.jpg", body=bodies[number], homes=homes)
        demand(status == 200 and headers["ETag"] == f'"{hashlib.md5(bodies[number]).hexdigest()}"', f"a photo is taken: {status} {text}")
        found = phone.send("GET", f"photo-{number}.jpg", homes=homes[1:])[1]
        demand(found == bodies[number], "and is there through another home")

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(one, range(PHOTOS)))


def clocks(homes):
    """14 minutes off is taken, in links and in headers; 16 minutes off is told what it is."""
    for minutes in (-14, 14):
        status, text, _ = Phone(homes, minutes).signed(0, "PUT", f"/{BUCKET}/clock{minutes}", b"tick")
        demand(status == 200, f"a clock that is {minutes} minutes off: {status} {text}")
    for minutes in (-16, 16):
        status, text, _ = Phone(homes, minutes).signed(1, "PUT", f"/{BUCKET}/clock{minutes}", b"tick")
        demand(status == 403 and b"RequestTimeTooSkewed" in text and b"<ServerTime>" in text, f"{minutes} minutes off: {status} {text}")
    late = Phone(homes, 16)
    status, text, _ = late.once(1, "PUT", late.link(1, "PUT", "early"), b"tick")
    demand(status == 403, f"a link that begins in 16 minutes: {status} {text}")
    old = Phone(homes, -14)
    status, text, _ = old.once(2, "PUT", old.link(2, "PUT", "old", expires_s=600), b"tick")
    demand(status == 403 and b"expired" in text, f"a link of 14 minutes ago that held for 10: {status} {text}")


def part(phone, upload, number, body, homes):
    query = [("partNumber", str(number)), ("uploadId", upload)]
    status, text, headers = phone.send("PUT", "film.mov", query, body, homes)
    demand(status == 200, f"part {number}: {status} {text}")
    return headers["ETag"]


def cut_in_the_middle(phone, wan, upload, body):
    """Half a part arrives; then nothing of this home reaches anybody."""
    query = [("partNumber", str(VANISHES_IN)), ("uploadId", upload)]
    connection = phone.connect(0)
    connection.putrequest("PUT", phone.link(0, "PUT", "film.mov", query), skip_accept_encoding=True)
    connection.putheader("content-length", str(len(body)))
    connection.endheaders(body[: len(body) // 2])
    wan.cut(1)
    connection.close()


def film(phone, wan):
    bodies = [random.randbytes(PART) for _ in range(PARTS)]
    upload = re.search(b"<UploadId>(.+?)</UploadId>", phone.send("POST", "film.mov", [("uploads", "")], homes=[0])[1])[1].decode()
    tags = {number: part(phone, upload, number, bodies[number - 1], [0]) for number in range(1, VANISHES_IN)}
    cut_in_the_middle(phone, wan, upload, bodies[VANISHES_IN - 1])
    listed = phone.send("GET", "film.mov", [("uploadId", upload)], homes=[1])[1]
    there = dict(re.findall(rb"<PartNumber>(\d+)</PartNumber>.*?<ETag>(?:&quot;|\")(.+?)(?:&quot;|\")</ETag>", listed, re.S))
    there = {int(number): f'"{tag.decode()}"' for number, tag in there.items()}
    demand(there == tags, f"another home knows the parts that were acknowledged, and no other: {there}, sent {tags}")
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        rest = list(range(VANISHES_IN, PARTS + 1))
        tags.update(zip(rest, pool.map(lambda number: part(phone, upload, number, bodies[number - 1], [1, 2]), rest)))
    wanted = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>" for number, tag in sorted(tags.items()))
    complete = f"<CompleteMultipartUpload>{wanted}</CompleteMultipartUpload>".encode()
    for _ in range(2):  # the first answer may have been lost: asked again it is the same
        status, text, _ = phone.send("POST", "film.mov", [("uploadId", upload)], complete, homes=[2, 1])
        demand(status == 200 and f"-{PARTS}&quot;".encode() in text.replace(b'"<', b"&quot;<"), f"completed: {status} {text}")
    wan.join(1)
    demand(phone.send("GET", "film.mov", homes=[0, 1])[1] == b"".join(bodies), "every byte of the film is there, through the home that vanished too")


def main():
    random.seed(os.getpid())
    try:
        with Wan(PHONE, RTT_MS, LOSS_PERCENT, inside=PHONE) as wan, OwnHomes("homes", wide=True) as homes:
            phone = Phone(homes, -14)
            status, text, _ = phone.signed(0, "PUT", f"/{BUCKET}")
            demand(status == 200, f"a bucket: {status} {text}")
            clocks(homes)
            photos(phone)
            film(phone, wan)
    except Skip as why:
        skip(why)
    print(f"phone, plain HTTP, path style, presigned, {RTT_MS} ms, {LOSS_PERCENT} % of packets lost, clock 14 minutes late: {PHOTOS} photos of "
          f"1 MiB, a film of {PARTS} parts cut in part {VANISHES_IN} and resumed through another home, completed twice through the third; "
          f"{phone.again} requests sent again")


main()
