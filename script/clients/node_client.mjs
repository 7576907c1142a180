// Cases for @aws-sdk/client-s3, run one at a time by node_.py: `node node_client.mjs <case>`.
// Exit code 0 means the answers were those of AWS.
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import * as s3 from "@aws-sdk/client-s3";

const bucket = process.env.BUCKET;
const client = new s3.S3Client({
  endpoint: process.env.ENDPOINT,
  region: process.env.AWS_REGION,
  forcePathStyle: true,
  maxAttempts: 1,
  credentials: { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY },
});
const ask = (name, input = {}) => client.send(new s3[name + "Command"]({ Bucket: bucket, ...input }));
const read = async (Key, more = {}) => Buffer.from(await (await ask("GetObject", { Key, ...more })).Body.transformToByteArray());
const refused = async (status, call) => {
  const error = await call.then(() => undefined, (reason) => reason);
  assert.equal(error?.$metadata?.httpStatusCode, status, `wanted ${status}, found ${error}`);
  return error;
};

const cases = {
  async buckets() {
    const Bucket = bucket + "-second";
    await ask("CreateBucket", { Bucket });
    await ask("HeadBucket", { Bucket });
    const listed = await ask("ListBuckets", { Bucket: undefined });
    assert.ok(listed.Buckets.some((entry) => entry.Name === Bucket));
    await ask("DeleteBucket", { Bucket });
    await refused(404, ask("HeadBucket", { Bucket }));
  },
  async objects() {
    for (const Key of ["plain", "a b/ü+%2F", "//lead", "日本/😀"]) {
      await ask("PutObject", { Key, Body: "body of " + Key, Metadata: { a: "1" }, ContentType: "text/x" });
      assert.equal((await read(Key)).toString(), "body of " + Key);
      const head = await ask("HeadObject", { Key });
      assert.deepEqual([head.ContentType, head.Metadata], ["text/x", { a: "1" }]);
    }
    assert.equal((await read("plain", { Range: "bytes=5-6" })).toString(), "of");
    await ask("CopyObject", { Key: "copy", CopySource: `${bucket}/plain` });
    assert.equal((await read("copy")).toString(), "body of plain");
  },
  async stream() {
    const body = Buffer.alloc(9_000_000, "stream");
    const pieces = Readable.from((function* () { for (let at = 0; at < body.length; at += 100_000) yield body.subarray(at, at + 100_000); })());
    await ask("PutObject", { Key: "stream", Body: pieces, ContentLength: body.length });
    assert.ok((await read("stream")).equals(body));
  },
  async listing() {
    for (const Key of ["a/1", "a/2", "b", "c d"]) await ask("PutObject", { Key, Body: "" });
    const first = await ask("ListObjectsV2", { MaxKeys: 3 });
    assert.deepEqual([first.Contents.map((entry) => entry.Key), first.IsTruncated], [["a/1", "a/2", "b"], true]);
    const rest = await ask("ListObjectsV2", { ContinuationToken: first.NextContinuationToken });
    assert.deepEqual([rest.Contents.map((entry) => entry.Key), rest.IsTruncated], [["c d"], false]);
    const folders = await ask("ListObjects", { Delimiter: "/" });
    assert.deepEqual(folders.CommonPrefixes.map((entry) => entry.Prefix), ["a/"]);
  },
  async multipart() {
    const parts = [Buffer.alloc(5 * 1024 * 1024, "p"), Buffer.from("tail")];
    const { UploadId } = await ask("CreateMultipartUpload", { Key: "big" });
    const Parts = [];
    for (const [index, Body] of parts.entries()) {
      const { ETag } = await ask("UploadPart", { Key: "big", UploadId, PartNumber: index + 1, Body });
      Parts.push({ PartNumber: index + 1, ETag });
    }
    assert.equal((await ask("ListParts", { Key: "big", UploadId })).Parts.length, 2);
    await ask("CompleteMultipartUpload", { Key: "big", UploadId, MultipartUpload: { Parts } });
    assert.ok((await read("big")).equals(Buffer.concat(parts)));
  },
  async conditions() {
    await ask("PutObject", { Key: "once", Body: "1", IfNoneMatch: "*" });
    await refused(412, ask("PutObject", { Key: "once", Body: "2", IfNoneMatch: "*" }));
    const { ETag } = await ask("HeadObject", { Key: "once" });
    await refused(304, ask("GetObject", { Key: "once", IfNoneMatch: ETag }));
    await ask("PutObject", { Key: "once", Body: "3", IfMatch: ETag });
  },
  async checksums() {
    for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
      let put;
      try {
        put = await ask("PutObject", { Key: ChecksumAlgorithm, Body: "sum", ChecksumAlgorithm });
      } catch (error) {
        if (/CRT|CRC64NVME.*(dependency|package)|container/i.test(String(error))) continue; // needs a native package of npm
        throw error;
      }
      const got = await ask("GetObject", { Key: ChecksumAlgorithm, ChecksumMode: "ENABLED" });
      assert.equal(got["Checksum" + ChecksumAlgorithm], put["Checksum" + ChecksumAlgorithm]);
      assert.ok(got["Checksum" + ChecksumAlgorithm]);
      assert.equal(await got.Body.transformToString(), "sum");
    }
  },
  async deletes() {
    for (const Key of ["x", "y & <z>"]) await ask("PutObject", { Key, Body: "" });
    const gone = await ask("DeleteObjects", { Delete: { Objects: [{ Key: "x" }, { Key: "y & <z>" }, { Key: "never" }] } });
    assert.equal(gone.Deleted.length, 3);
    assert.equal((await ask("ListObjectsV2")).KeyCount, 0);
  },
  async errors() {
    assert.equal((await refused(404, ask("GetObject", { Key: "none" }))).name, "NoSuchKey");
    assert.equal((await refused(404, ask("ListObjectsV2", { Bucket: "no-such-bucket-here" }))).name, "NoSuchBucket");
    assert.equal((await refused(404, ask("HeadObject", { Key: "none" }))).name, "NotFound");
  },
};

await cases[process.argv[2]]();
