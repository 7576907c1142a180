"""A static site behind nginx and behind caddy: both pass the host on to the web ports of three homes.

nginx caches pages too, by host and path: without the host in `proxy_cache_key` two sites would share them.
"""

import http.client
import os
import subprocess
import tempfile

from _surroundings import BUCKET, FOLDER, WEB_PORTS, client, demand, free_port, program, ran, wait_for_port

NGINX, CADDY = program("nginx"), program("caddy")
HOST = f"{BUCKET}.web.localhost"
PAGES = {"index.html": b"<h1>home</h1>", "docs/index.html": b"<h1>docs</h1>", "sorry.html": b"<h1>not here</h1>",
         "film.bin": bytes(range(256)) * (12 << 10)}


def publish(s3):
    for key, content in PAGES.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=content, CacheControl="max-age=60",
                      ContentType="text/html" if key.endswith("html") else "video/mp4")
    s3.put_bucket_website(Bucket=BUCKET, WebsiteConfiguration={
        "IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "sorry.html"},
        "RoutingRules": [{"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "docs/"}}]})


def nginx(port):
    # Its workers may run as another user: a folder that everybody reads.
    folder = tempfile.mkdtemp(prefix="nginx-")
    os.chmod(folder, 0o755)
    upstream = "".join(f"server 127.0.0.1:{web};" for web in WEB_PORTS)
    cached = f"proxy_cache_path {folder}/cache keys_zone=pages:1m; "
    temporary = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    path = FOLDER / "nginx.conf"
    path.write_text(f"""
daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}
http {{ access_log off; {cached}{temporary} upstream homes {{ {upstream} }}
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://homes; proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-For $remote_addr;
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_connect_timeout 2s;
    proxy_cache pages; proxy_cache_key "$host$request_uri"; proxy_cache_revalidate on; add_header X-Cache $upstream_cache_status always; }} }} }}
""")
    return subprocess.Popen([NGINX, "-p", folder, "-c", path], stderr=open(FOLDER / "nginx.log", "w"))


def caddy(port):
    path = FOLDER / "Caddyfile"
    homes = " ".join(f"127.0.0.1:{web}" for web in WEB_PORTS)
    path.write_text(f"""
{{
  admin off
  auto_https off
}}
http://:{port} {{
  bind 127.0.0.1
  encode gzip
  reverse_proxy {homes} {{
    lb_try_duration 3s
  }}
}}
""")
    return subprocess.Popen([CADDY, "run", "--config", path, "--adapter", "caddyfile"], stderr=open(FOLDER / "caddy.log", "w"),
                            env={**os.environ, "XDG_DATA_HOME": str(FOLDER), "XDG_CONFIG_HOME": str(FOLDER)})


def listens(port):
    try:
        wait_for_port(port)
        return True
    except TimeoutError:
        return False


def get(port, path, method="GET", host=HOST, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, headers={"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}})
        answer = connection.getresponse()
        return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def browse(name, port):
    status, body, headers = get(port, "/")
    demand((status, body, headers["content-type"]) == (200, PAGES["index.html"], "text/html"), f"{name}: the index {status} {body}")
    demand(get(port, "/docs/")[:2] == (200, PAGES["docs/index.html"]), f"{name}: a folder's index")
    status, _, moved = get(port, "/docs")
    demand(status == 302 and moved["location"] in ("/docs/", f"http://{HOST}/docs/"), f"{name}: {status} {moved}")
    status, _, moved = get(port, "/old/index.html")
    demand(status == 301 and moved["location"].endswith("/docs/index.html"), f"{name}: a routing rule {status} {moved}")
    demand(get(port, "/nothing")[:2] == (404, PAGES["sorry.html"]), f"{name}: the error document")
    status, part, ranged = get(port, "/film.bin", range="bytes=1000-1999")
    demand((status, part) == (206, PAGES["film.bin"][1000:2000]), f"{name}: a range {status} {ranged}")
    demand(get(port, "/film.bin")[1] == PAGES["film.bin"], f"{name}: all of a large file")
    tag = get(port, "/docs/index.html")[2]["etag"]
    demand(get(port, "/docs/index.html", if_none_match=tag)[0] == 304, f"{name}: not modified")
    status, body, headers = get(port, "/index.html", method="HEAD")
    demand((status, body, headers["content-length"]) == (200, b"", str(len(PAGES["index.html"]))), f"{name}: HEAD")
    status, body, _ = get(port, "/", host="nobody.web.localhost")
    demand(status == 404 and b"nobody" not in body, f"{name}: a host without a site {status} {body}")


def revalidates(port, s3):
    """What nginx keeps is asked for again by its tag, and a page that changed is seen."""
    get(port, "/docs/index.html")
    demand(get(port, "/docs/index.html")[2]["x-cache"] == "HIT", "nginx keeps a page as long as Cache-Control says")
    s3.put_object(Bucket=BUCKET, Key="now.html", Body=b"one", ContentType="text/html", CacheControl="max-age=0")
    demand(get(port, "/now.html")[1] == b"one", "a page")
    s3.put_object(Bucket=BUCKET, Key="now.html", Body=b"two", ContentType="text/html", CacheControl="max-age=0")
    demand(get(port, "/now.html")[1] == b"two", "the page that took its place")


def main():
    s3, ports = client(), {"nginx": free_port(), "caddy": free_port()}
    publish(s3)
    for web in WEB_PORTS:
        while get(web, "/")[0] != 200:  # every home hears of the site
            pass
    servers = [nginx(ports["nginx"]), caddy(ports["caddy"])]
    try:
        for name, port in ports.items():
            demand(listens(port), f"{name} starts: {(FOLDER / f'{name}.log').read_text()[-2000:]}")
            browse(name, port)
        revalidates(ports["nginx"], s3)
    finally:
        [server.terminate() for server in servers]
        [server.wait() for server in servers]
    version = ran(NGINX, "-v").strip().split("/")[-1]
    print(f"nginx {version}, caddy {ran(CADDY, 'version').split()[0]}: index, folders, redirects, routing rule, error document, ranges, "
          f"304, HEAD over three homes; nginx's cache revalidates")


main()
