"""Web sites: their configuration through S3 and the command line, and what a browser gets on the web port."""

import subprocess
import time
import urllib.parse

from home import equal, refused, true
from server import WEB_DOMAIN
from signing import exchange
from suite import Suite
from three_homes import Homes

SUITE = Suite("boto3_website")
INDEX = {"IndexDocument": {"Suffix": "index.html"}}
SITE = dict(INDEX, ErrorDocument={"Key": "errors/sorry.html"})
EVERYBODY_READS = '{"Statement": {"Effect": "%s", "Principal": "*", "Action": "s3:GetObject", "Resource": "%s"}}'
PAGES = {"index.html": b"<h1>home</h1>", "docs/index.html": b"<h1>docs</h1>", "docs/one.html": b"0123456789",
         "errors/sorry.html": b"<h1>sorry</h1>", "a b/\xc3\xa9.txt".encode("latin1").decode(): b"accent"}


def browse(home, host, path="/", method="GET", body=b"", **headers):
    """What a browser gets of a site; names of headers are written with `_`."""
    asked = {"host": host if "." in host else f"{host}.{WEB_DOMAIN}:{home.server.web_port}"}
    asked.update({name.replace("_", "-"): value for name, value in headers.items()})
    return exchange(home.server.web_port, method, path, asked, body)


def site(home, word, configuration=SITE, pages=PAGES):
    bucket = home.new_bucket(word)
    for key, content in pages.items():
        home.s3.put_object(Bucket=bucket, Key=key, Body=content, ContentType="text/html")
    if configuration:
        home.s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=configuration)
    return bucket


def cli(home, *arguments):
    command = [str(home.server.binary), "-c", str(home.server.config_path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    equal(done.returncode, 0, f"garage {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


def leads(answer, status, place):
    equal((answer.status, answer.headers.get("location")), (status, place), "redirect")


def rules(*given):
    return dict(INDEX, RoutingRules=[{"Condition": condition, "Redirect": to} if condition else {"Redirect": to}
                                     for condition, to in given])


@SUITE.case("a configuration is put, shown and deleted; S3 and the command line speak of the same one")
def configuration(home):
    bucket = home.new_bucket("webset")
    refused("NoSuchWebsiteConfiguration", 404, home.s3.get_bucket_website, Bucket=bucket)
    full = dict(SITE, RoutingRules=[
        {"Condition": {"KeyPrefixEquals": "old/", "HttpErrorCodeReturnedEquals": "404"},
         "Redirect": {"HostName": "b.example", "HttpRedirectCode": "302", "Protocol": "https", "ReplaceKeyWith": "n"}}])
    home.s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=full)
    shown = home.s3.get_bucket_website(Bucket=bucket)
    equal({name: shown[name] for name in full}, full, "what was set")
    told = cli(home, "bucket", "info", bucket)
    for text in ["Website access:  true", "index.html", "errors/sorry.html", "Routing rules:"]:
        true(text in told, f"{text} in {told}")
    cli(home, "bucket", "website", "--allow", "-i", "start.html", bucket)
    shown = home.s3.get_bucket_website(Bucket=bucket)
    equal(shown["IndexDocument"], {"Suffix": "start.html"}, "set by the command line")
    equal(("ErrorDocument" in shown, shown["RoutingRules"]), (False, full["RoutingRules"]), "rules stay")
    cli(home, "bucket", "website", "--deny", bucket)
    refused("NoSuchWebsiteConfiguration", 404, home.s3.get_bucket_website, Bucket=bucket)
    home.s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"RedirectAllRequestsTo": {"HostName": "b.example"}})
    true("b.example" in cli(home, "bucket", "info", bucket), "the redirect is shown")
    home.s3.delete_bucket_website(Bucket=bucket)
    home.s3.delete_bucket_website(Bucket=bucket)
    true("Website access:  false" in cli(home, "bucket", "info", bucket), "deleted")
    refused("InvalidArgument", 400, home.s3.put_bucket_website, Bucket=bucket,
            WebsiteConfiguration={"IndexDocument": {"Suffix": "a/b"}})
    refused("NoSuchBucket", 404, home.s3.put_bucket_website, Bucket="no-such-bucket", WebsiteConfiguration=SITE)


@SUITE.case("pages, index documents, folders, and names that need escapes")
def pages(home):
    bucket = site(home, "webpages")
    for path, wanted in [("/", PAGES["index.html"]), ("/index.html", PAGES["index.html"]), ("/?a=b&versionId=x", PAGES["index.html"]),
                         ("/docs/", PAGES["docs/index.html"]), ("/a%20b/%C3%A9.txt", b"accent")]:
        answer = browse(home, bucket, path)
        equal((answer.status, answer.body, answer.headers["content-type"]), (200, wanted, "text/html"), path)
    leads(browse(home, bucket, "/docs"), 302, "/docs/")
    answer = browse(home, bucket, "/docs/one.html", "HEAD")
    equal((answer.status, answer.body, answer.headers["content-length"]), (200, b"", "10"), "HEAD")
    whole_name = home.unique("www") + ".example.org"
    cli(home, "bucket", "alias", bucket, whole_name)
    for host in [whole_name, whole_name.upper() + ":80", whole_name + "."]:
        equal(browse(home, host).body, PAGES["index.html"], host)


@SUITE.case("ranges, conditions and headers are those of S3")
def ranges(home):
    bucket = site(home, "webranges")
    home.s3.put_object(Bucket=bucket, Key="r", Body=b"0123456789", CacheControl="max-age=60", ContentLanguage="eo",
                       Metadata={"color": "red"})
    answer = browse(home, bucket, "/r")
    tag, modified = answer.headers["etag"], answer.headers["last-modified"]
    for name, wanted in [("cache-control", "max-age=60"), ("content-language", "eo"), ("x-amz-meta-color", "red"), ("accept-ranges", "bytes")]:
        equal(answer.headers.get(name), wanted, name)
    for spec, status, wanted in [("bytes=2-4", 206, b"234"), ("bytes=-3", 206, b"789"), ("bytes=8-99", 206, b"89")]:
        answer = browse(home, bucket, "/r", range=spec)
        equal((answer.status, answer.body), (status, wanted), spec)
    answer = browse(home, bucket, "/r", range="bytes=10-")
    equal((answer.status, answer.headers["content-range"]), (416, "bytes */10"), "behind the end")
    answer = browse(home, bucket, "/r", if_none_match=tag)
    equal((answer.status, answer.body, answer.headers["etag"]), (304, b"", tag), "not changed")
    equal(browse(home, bucket, "/r", if_modified_since=modified).status, 304, "not changed since")
    equal(browse(home, bucket, "/r", if_match='"other"').status, 412, "another tag")
    for validator, status in [(tag, 206), (modified, 206), ('"other"', 200), ("Thu, 01 Jan 2015 00:00:00 GMT", 200)]:
        equal(browse(home, bucket, "/r", range="bytes=0-1", if_range=validator).status, status, f"If-Range {validator}")


@SUITE.case("errors: the site's own document with the right status, else a page that tells nothing")
def errors(home):
    own, none = site(home, "weberrors"), site(home, "webplain", INDEX)
    for path in ["/missing", "/missing/", "/docs/missing"]:
        answer = browse(home, own, path, range="bytes=0-1", if_none_match="*")
        equal((answer.status, answer.body), (404, PAGES["errors/sorry.html"]), path)
        true("etag" not in answer.headers, "an error has no tag")
        answer = browse(home, none, path)
        equal((answer.status, answer.headers["x-amz-error-code"]), (404, "NoSuchKey"), path)
        true(none not in answer.body.decode() and "missing" not in answer.body.decode(), "nothing is repeated")
    equal(browse(home, own, "/missing", "HEAD").body, b"", "HEAD")
    for method in ["PUT", "POST", "DELETE", "PATCH"]:
        answer = browse(home, own, "/index.html", method, body=b"x")
        equal((answer.status, answer.headers["allow"]), (405, "GET, HEAD"), method)
    equal(browse(home, own, "/index.html").body, PAGES["index.html"], "unchanged")
    equal(browse(home, own, "/%zz").status, 400, "no path")
    equal(browse(home, own, "/" + "k" * 1025).status, 400, "too long")


@SUITE.case("a bucket that is no site is as if it were not there")
def strangers(home):
    closed = site(home, "webclosed", None)
    answers = [browse(home, host, path) for host in [closed, "no-such-bucket-here", "web.localhost", "127.0.0.1", f"x.{closed}"]
               for path in ["/", "/index.html", "/missing", "/%zz"]]
    told = {(answer.status, answer.body, answer.headers.get("x-amz-error-code")) for answer in answers}
    equal(len(told), 1, f"one answer for all: {told}")
    equal(answers[0].status, 404, "status")
    equal(browse(home, closed, "/index.html", "OPTIONS", origin="https://a.example",
                 access_control_request_method="GET").status, 404, "OPTIONS")


@SUITE.case("who may see it: a site is a policy for everybody; what is denied or restricted stays closed")
def access(home):
    bucket = site(home, "webaccess")
    arn = f"arn:aws:s3:::{bucket}"
    equal(exchange(home.port, "GET", f"/{bucket}/index.html", {"host": f"127.0.0.1:{home.port}"}).status, 403,
          "the S3 port opens nothing")
    home.s3.put_bucket_policy(Bucket=bucket, Policy=EVERYBODY_READS % ("Deny", f"{arn}/docs/*"))
    for path, status in [("/index.html", 200), ("/docs/one.html", 403), ("/docs/missing", 403), ("/missing", 404), ("/docs", 404)]:
        answer = browse(home, bucket, path)
        equal(answer.status, status, path)
        if status != 200:
            equal(answer.body, PAGES["errors/sorry.html"], "the site's own document")
    home.s3.put_bucket_policy(Bucket=bucket, Policy=EVERYBODY_READS % ("Deny", f"{arn}/errors/*"))
    answer = browse(home, bucket, "/missing")
    equal((answer.status, answer.body.count(b"sorry")), (404, 0), "the error document is denied")
    home.s3.delete_bucket_policy(Bucket=bucket)
    block = dict(BlockPublicAcls=False, IgnorePublicAcls=False, BlockPublicPolicy=False, RestrictPublicBuckets=True)
    home.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    equal([browse(home, bucket, path).status for path in ["/", "/missing"]], [403, 403], "restricted")
    home.s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"RedirectAllRequestsTo": {"HostName": "b.example"}})
    equal(browse(home, bucket).status, 301, "a redirect shows nothing")
    home.s3.delete_public_access_block(Bucket=bucket)
    home.s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=SITE)
    equal(browse(home, bucket).status, 200, "open again")
    home.s3.delete_bucket_website(Bucket=bucket)
    equal(browse(home, bucket).status, 404, "no site any more")


@SUITE.case("routing rules: by prefix, by error, to other hosts")
def routing(home):
    bucket = site(home, "webrules", rules(
        ({"KeyPrefixEquals": "old/"}, {"ReplaceKeyPrefixWith": "docs/"}),
        ({"KeyPrefixEquals": "away/"}, {"HostName": "b.example", "Protocol": "https", "HttpRedirectCode": "307"}),
        ({"KeyPrefixEquals": "images/", "HttpErrorCodeReturnedEquals": "404"}, {"ReplaceKeyPrefixWith": "resize?key=", "HttpRedirectCode": "302"}),
        ({"HttpErrorCodeReturnedEquals": "403"}, {"ReplaceKeyWith": "login.html", "HttpRedirectCode": "302"}),
    ))
    home.s3.put_object(Bucket=bucket, Key="images/there.png", Body=b"png")
    leads(browse(home, bucket, "/old/one.html?x=y"), 301, "/docs/one.html")
    leads(browse(home, bucket, "/away/a%20b"), 307, "https://b.example/away/a%20b")
    equal(browse(home, bucket, "/images/there.png").body, b"png", "no error, no redirect")
    leads(browse(home, bucket, "/images/a%3Fb.png"), 302, "/resize?key=a%3Fb.png")
    equal(browse(home, bucket, "/missing").status, 404, "no rule for it")
    home.s3.put_bucket_policy(Bucket=bucket, Policy=EVERYBODY_READS % ("Deny", f"arn:aws:s3:::{bucket}/docs/*"))
    leads(browse(home, bucket, "/docs/one.html"), 302, "/login.html")
    leads(browse(home, bucket, "/old//evil.example"), 301, "/docs//evil.example")
    home.s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"RedirectAllRequestsTo": {"HostName": "b.example"}})
    leads(browse(home, bucket, "/a/b?c=d"), 301, "http://b.example/a/b?c=d")
    leads(browse(home, bucket, "/", x_forwarded_proto="https"), 301, "https://b.example/")


@SUITE.case("an object leads elsewhere; a copy does not, unless it says so")
def object_redirect(home):
    bucket = site(home, "webobject")
    put = dict(Bucket=bucket, Key="moved", Body=b"")
    home.s3.put_object(**put, WebsiteRedirectLocation="/docs/one.html")
    equal(home.s3.head_object(Bucket=bucket, Key="moved")["WebsiteRedirectLocation"], "/docs/one.html", "kept")
    for method in ["GET", "HEAD"]:
        leads(browse(home, bucket, "/moved", method), 301, "/docs/one.html")
    home.s3.put_object(Bucket=bucket, Key="far/index.html", Body=b"x", WebsiteRedirectLocation="https://b.example/a?b")
    leads(browse(home, bucket, "/far/"), 301, "https://b.example/a?b")
    refused("InvalidRedirectLocation", 400, home.s3.put_object, **put, WebsiteRedirectLocation="docs")
    source = {"Bucket": bucket, "Key": "moved"}
    home.s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)
    true("WebsiteRedirectLocation" not in home.s3.head_object(Bucket=bucket, Key="copy"), "a copy leads nowhere")
    home.s3.copy_object(Bucket=bucket, Key="moved", CopySource=source, WebsiteRedirectLocation="/new")
    leads(browse(home, bucket, "/moved"), 301, "/new")
    upload = home.s3.create_multipart_upload(Bucket=bucket, Key="parts", WebsiteRedirectLocation="/parts")["UploadId"]
    part = home.s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
    home.s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload,
                                      MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    leads(browse(home, bucket, "/parts"), 301, "/parts")


@SUITE.case("versions: what is current is served, and a deletion hides it")
def versions(home):
    bucket = site(home, "webversions")
    home.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = home.s3.put_object(Bucket=bucket, Key="page", Body=b"old")["VersionId"]
    home.s3.put_object(Bucket=bucket, Key="page", Body=b"new")
    equal(browse(home, bucket, f"/page?versionId={old}").body, b"new", "current only")
    home.s3.delete_object(Bucket=bucket, Key="page")
    equal(browse(home, bucket, "/page").status, 404, "deleted")
    home.s3.delete_object(Bucket=bucket, Key="docs/index.html")
    equal(browse(home, bucket, "/docs").status, 404, "no folder any more")


@SUITE.case("CORS of the bucket: preflight and answers, errors too")
def cross_origin(home):
    bucket = site(home, "webcors")
    origin = "https://page.example"
    asked = dict(origin=origin, access_control_request_method="GET")
    equal(browse(home, bucket, "/", "OPTIONS", **asked).status, 403, "no rules yet")
    rule = {"AllowedOrigins": [origin], "AllowedMethods": ["GET"], "AllowedHeaders": ["*"]}
    home.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    equal(browse(home, bucket, "/", "OPTIONS", **asked).headers["access-control-allow-origin"], origin, "preflight")
    for path in ["/", "/missing"]:
        answer = browse(home, bucket, path, origin=origin)
        equal((answer.headers.get("access-control-allow-origin"), "Origin" in answer.headers["vary"]), (origin, True), path)
    true("access-control-allow-origin" not in browse(home, bucket, "/", origin="https://else.example").headers, "others")


@SUITE.case("large pages stream, and the connection goes on")
def large(home):
    bucket = site(home, "weblarge")
    content = bytes(range(256)) * 20_000
    home.s3.put_object(Bucket=bucket, Key="film", Body=content)
    equal(browse(home, bucket, "/film").body == content, True, "5 MB")
    equal(browse(home, bucket, "/film", range="bytes=1048570-2097160").body, content[1048570:2097161], "over blocks")


@SUITE.case("a proxy is told for which domains it may get a certificate; requests are counted")
def machines(home):
    bucket, closed = site(home, "webcheck"), home.new_bucket("webnone")

    def admin(path):
        return exchange(home.server.admin_port, "GET", path, {"host": "localhost"})

    for domain, status in [(f"{bucket}.{WEB_DOMAIN}", 200), (bucket, 200), (f"{closed}.s3.localhost", 200), (closed, 400),
                           (f"{closed}.{WEB_DOMAIN}", 400), ("no-such-bucket.s3.localhost", 400), ("", 400)]:
        equal(admin("/check?domain=" + urllib.parse.quote(domain)).status, status, domain)
    before = admin("/metrics").body.decode()
    browse(home, bucket)
    browse(home, bucket, "/missing")
    after = admin("/metrics").body.decode()

    def count(text, name):
        found = [line.split()[-1] for line in text.splitlines() if line.startswith(name + " ")]
        return int(found[0]) if found else 0

    for name, more in [('web_request_counter{method="GET"}', 2), ('web_error_counter{method="GET",status_code="404"}', 1)]:
        equal(count(after, name) - count(before, name), more, name)


@SUITE.case("three homes: a page put through one is served by another, while one is dead")
def on_three_homes(home):
    with Homes(home) as homes:
        bucket = homes.bucket
        put = homes.s3[0]
        put.put_object(Bucket=bucket, Key="index.html", Body=b"hello", ContentType="text/html")
        put.put_object(Bucket=bucket, Key="large", Body=b"x" * 3_000_000)
        put.put_bucket_website(Bucket=bucket, WebsiteConfiguration=INDEX)

        def page(number, path="/"):
            port = homes.cluster.nodes[number].web_port
            return exchange(port, "GET", path, {"host": f"{bucket}.{WEB_DOMAIN}"})

        for number in range(3):
            _eventually(lambda: page(number).status == 200, f"home {number + 1} has heard of the site")
            equal(page(number).body, b"hello", f"home {number + 1}")
        for dead in range(3):
            homes.cluster.nodes[dead].stop(9)
            for number in {0, 1, 2} - {dead}:
                equal((page(number).body, page(number, "/large").body == b"x" * 3_000_000), (b"hello", True), f"without {dead + 1}")
                equal(page(number, "/missing").status, 404, "missing")
            homes.restart(dead)


def _eventually(holds, what, within_s=10):
    deadline = time.monotonic() + within_s
    while not holds():
        true(time.monotonic() < deadline, what)
        time.sleep(0.05)
