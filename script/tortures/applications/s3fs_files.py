"""s3fs: files by path, as pandas, dask and their like use them, through one home and read through another."""

import os

import s3fs
from _surroundings import BUCKET, ENDPOINTS, KEY, SECRET, demand


def files(through):
    return s3fs.S3FileSystem(key=KEY, secret=SECRET, endpoint_url=ENDPOINTS[through], skip_instance_cache=True,
                             default_block_size=5 << 20)


first, second = files(0), files(1)
big = os.urandom(23 << 20)
with first.open(f"{BUCKET}/tables/big.bin", "wb") as out:
    for start in range(0, len(big), 3 << 20):
        out.write(big[start:start + (3 << 20)])
for number in range(50):
    first.pipe(f"{BUCKET}/tables/part={number % 5}/{number}.txt", b"row %d\n" % number)

demand(second.info(f"{BUCKET}/tables/big.bin")["size"] == len(big), "the size is that of what was written")
with second.open(f"{BUCKET}/tables/big.bin", "rb") as there:
    there.seek(17_000_001)
    demand(there.read(100_000) == big[17_000_001:17_100_001], "a read in the middle gives the bytes that stand there")
demand(second.cat(f"{BUCKET}/tables/big.bin") == big, "all of it comes back")
demand(len(second.find(f"{BUCKET}/tables")) == 51, "find sees every file")
demand(len(second.ls(f"{BUCKET}/tables")) == 6, "ls sees folders and the file")
demand(len(second.glob(f"{BUCKET}/tables/part=*/1*.txt")) == 11, "glob finds by pattern")
second.copy(f"{BUCKET}/tables/part=0", f"{BUCKET}/moved", recursive=True)
second.mv(f"{BUCKET}/moved/0.txt", f"{BUCKET}/moved/nought.txt")
demand(len(first.find(f"{BUCKET}/moved")) == 10, "what was copied is there for another home's client")
with first.open(f"{BUCKET}/tables/big.bin", "ab") as out:
    out.write(b"end")
demand(second.cat_file(f"{BUCKET}/tables/big.bin", start=len(big)) == b"end", "append keeps what was there (UploadPartCopy)")
first.rm(f"{BUCKET}/tables", recursive=True)
second.invalidate_cache()
demand(second.find(f"{BUCKET}/tables") == [], "removed is removed")
print(f"s3fs {s3fs.__version__}: 23 MiB by multipart, seek, append by UploadPartCopy, find, glob, mv, rm of 51 files")
