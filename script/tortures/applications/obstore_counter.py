"""obstore (the Rust crate object_store): conditional updates as lake formats make them, through three homes at once."""

import json
import threading

import obstore
from _surroundings import BUCKET, ENDPOINTS, REGION, demand
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import S3Store

WRITERS, STEPS = 6, 15
CLIENT = {"allow_http": True}


def store(through):
    return S3Store(BUCKET, endpoint=ENDPOINTS[through], region=REGION, virtual_hosted_style_request=False,
                   client_options=CLIENT)


winners, done, retries = [], [0] * WRITERS, [0] * WRITERS


def work(writer):
    mine = store(writer % 3)
    try:
        obstore.put(mine, "lock", str(writer).encode(), mode="create")
        winners.append(writer)
    except AlreadyExistsError:
        pass
    while done[writer] < STEPS:
        got = obstore.get(mine, "counter")
        value = json.loads(bytes(got.bytes()))
        value[str(writer)] = value.get(str(writer), 0) + 1
        try:
            version = {name: got.meta[name] for name in ("e_tag", "version") if got.meta.get(name)}
            obstore.put(mine, "counter", json.dumps(value).encode(), mode=version)
            done[writer] += 1
        except PreconditionError:
            retries[writer] += 1


obstore.put(store(0), "counter", b"{}")
threads = [threading.Thread(target=work, args=[writer]) for writer in range(WRITERS)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
for through in range(3):
    value = json.loads(bytes(obstore.get(store(through), "counter").bytes()))
    demand(value == {str(writer): STEPS for writer in range(WRITERS)}, f"home {through + 1}: {value}")
demand(len(winners) == 1, f"one wins the lock: {winners}")
multi = store(1)
body = bytes(range(256)) * (80 << 10)
obstore.put(multi, "big", body, use_multipart=True, chunk_size=6 << 20)
demand(bytes(obstore.get(store(2), "big").bytes()) == body, "multipart comes back")
demand(bytes(obstore.get_range(store(0), "big", start=7_000_000, length=999)) == body[7_000_000:7_000_999], "a range")
obstore.copy(multi, "big", "copied")
names = sorted(entry["path"] for page in obstore.list(store(0)) for entry in page)
demand(names == ["big", "copied", "counter", "lock"], f"listing: {names}")
print(f"obstore {obstore.__version__}: {WRITERS} writers x {STEPS} conditional updates through three homes, none lost "
      f"({sum(retries)} lost a race and tried again), one winner of a create, multipart, ranges, copy")
