"""A page in Chromium that uploads straight to S3: presigned PUT, POST form, and multipart of which it reads the ETags.

The page comes from another origin, so the browser asks first (preflight) and shows the page only what the bucket's CORS
rules expose. Links are signed by the page's server, as Uppy and its like do it.
"""

import functools
import http.server
import threading

from _surroundings import BUCKET, FOLDER, client, demand, program
from playwright.sync_api import sync_playwright

CHROMIUM = program("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
PART = 5 << 20
PAGE = """<!doctype html><title>uploader</title><input id=file type=file><script>
const file = () => document.getElementById('file').files[0]
async function put(url, type) {
  const answer = await fetch(url, {method: 'PUT', body: file(), headers: {'content-type': type, 'x-amz-meta-from': 'page'}})
  return [answer.status, answer.headers.get('etag')]
}
async function form(url, fields) {
  const data = new FormData()
  for (const [name, value] of Object.entries(fields)) data.append(name, value)
  data.append('file', file())
  const answer = await fetch(url, {method: 'POST', body: data})
  return [answer.status, answer.headers.get('etag'), await answer.text()]
}
async function parts(urls, size) {
  return Promise.all(urls.map(async (url, i) => {
    const answer = await fetch(url, {method: 'PUT', body: file().slice(i * size, (i + 1) * size)})
    return answer.headers.get('etag')
  }))
}
async function get(url, headers = {}) {
  try {
    const answer = await fetch(url, {headers, cache: 'no-store'})
    const all = await answer.arrayBuffer()
    return [answer.status, all.byteLength, answer.headers.get('etag'), answer.headers.get('x-amz-meta-from'), answer.headers.get('content-range')]
  } catch (error) { return String(error) }
}
function progress(url) {
  return new Promise(done => {
    const request = new XMLHttpRequest(), seen = []
    request.upload.onprogress = event => seen.push(event.loaded)
    request.onloadend = () => done([request.status, Math.max(...seen)])
    request.open('PUT', url)
    request.send(file())
  })
}
</script>"""


def serve_page():
    """The page, from an origin of its own."""
    folder = FOLDER / "page"
    folder.mkdir()
    (folder / "index.html").write_text(PAGE)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def allow(s3, origin, expose):
    s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [{
        "AllowedOrigins": [origin], "AllowedMethods": ["GET", "PUT", "POST"], "AllowedHeaders": ["*"],
        "ExposeHeaders": expose, "MaxAgeSeconds": 1}]})


def link(s3, operation, **parameters):
    return s3.generate_presigned_url(operation, Params={"Bucket": BUCKET, **parameters})


def single(page, s3, body):
    url = link(s3, "put_object", Key="photo", ContentType="image/png", Metadata={"from": "page"})
    status, etag = page.evaluate("([url, type]) => put(url, type)", [url, "image/png"])
    head = s3.head_object(Bucket=BUCKET, Key="photo")
    demand((status, etag) == (200, head["ETag"]), f"presigned PUT shows its tag: {status} {etag}")
    demand((head["ContentType"], head["Metadata"], head["ContentLength"]) == ("image/png", {"from": "page"}, len(body)), f"{head}")


def form(page, s3, body):
    post = s3.generate_presigned_post(BUCKET, "forms/${filename}", Fields={"success_action_status": "201"},
                                      Conditions=[{"success_action_status": "201"}, ["content-length-range", 1, 50 << 20]])
    status, etag, text = page.evaluate("([url, fields]) => form(url, fields)", [post["url"], post["fields"]])
    there = s3.get_object(Bucket=BUCKET, Key="forms/photo.bin")
    demand(status == 201 and etag == there["ETag"] and "<PostResponse>" in text, f"the form is taken: {status} {etag} {text}")
    demand(there["Body"].read() == body, "with every byte")
    short = s3.generate_presigned_post(BUCKET, "forms/small", Conditions=[["content-length-range", 1, 1000]])
    status, _, text = page.evaluate("([url, fields]) => form(url, fields)", [short["url"], short["fields"]])
    demand(status == 400 and "EntityTooLarge" in text, f"the page can read why one is refused: {status} {text}")


def multipart(page, s3, others, body):
    """Begun through one home; its parts go through three."""
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="film")["UploadId"]
    count = -(-len(body) // PART)
    urls = [link(others[number % 3], "upload_part", Key="film", UploadId=upload, PartNumber=number + 1) for number in range(count)]
    tags = page.evaluate("([urls, size]) => parts(urls, size)", [urls, PART])
    demand(all(tags), f"the page sees the tag of each part: {tags}")
    s3.complete_multipart_upload(Bucket=BUCKET, Key="film", UploadId=upload, MultipartUpload={
        "Parts": [{"PartNumber": number + 1, "ETag": tag} for number, tag in enumerate(tags)]})
    demand(others[2].get_object(Bucket=BUCKET, Key="film")["Body"].read() == body, "the parts are one object")


def reading(page, s3, body):
    status, size, etag, meta, _ = page.evaluate("url => get(url)", link(s3, "get_object", Key="photo"))
    demand((status, size, meta) == (200, len(body), None) and etag, "what is not exposed is not seen")
    ranged = page.evaluate("url => get(url, {range: 'bytes=10-19'})", link(s3, "get_object", Key="photo"))
    demand(ranged[:2] == [206, 10] and ranged[4] == f"bytes 10-19/{len(body)}", f"a range: {ranged}")
    missing = page.evaluate("url => get(url)", link(s3, "get_object", Key="not-there"))
    demand(missing[0] == 404, f"an error is readable too: {missing}")


def strangers(page, s3):
    allow(s3, "https://elsewhere.example", [])
    refused = page.evaluate("url => get(url)", link(s3, "get_object", Key="photo"))
    demand(isinstance(refused, str) and "Failed to fetch" in refused, f"a page that no rule names gets nothing: {refused}")


def main():
    homes = [client(through, signature_version="s3v4") for through in range(3)]
    s3, origin, body = homes[0], serve_page(), bytes(range(256)) * (44 << 10)
    (FOLDER / "photo.bin").write_bytes(body)
    allow(s3, origin, ["ETag", "Content-Range"])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        page = browser.new_page()
        page.goto(origin)
        page.set_input_files("#file", FOLDER / "photo.bin")
        single(page, s3, body)
        form(page, s3, body)
        multipart(page, s3, homes, body)
        status, sent = page.evaluate("url => progress(url)", link(s3, "put_object", Key="shown"))
        demand((status, sent) == (200, len(body)), f"progress is shown to the end: {status} {sent}")
        reading(page, s3, body)
        strangers(page, s3)
        version = browser.version
        browser.close()
    print(f"Chromium {version}: presigned PUT with preflight, progress, POST form and its refusal, multipart of 3 parts through "
          f"three homes by exposed ETags, ranges; a page that no rule names gets nothing")


main()
