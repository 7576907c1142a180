"""docker-registry: an image is pushed through one home, pulled through another, and its garbage collected."""

import json
import os
import subprocess
import tarfile

from _surroundings import BUCKET, ENDPOINTS, FOLDER, KEY, REGION, SECRET, client, demand, free_port, program, ran, wait_for_port

registry, skopeo = program("docker-registry"), program("skopeo")


def configuration(through, port):
    path = FOLDER / f"registry{through}.yml"
    path.write_text(json.dumps({
        "version": 0.1, "log": {"level": "warn"},
        "storage": {"s3": {"accesskey": KEY, "secretkey": SECRET, "region": REGION, "regionendpoint": ENDPOINTS[through],
                           "bucket": BUCKET, "secure": False, "v4auth": True, "chunksize": 5 << 20, "rootdirectory": "/registry"},
                    "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }))
    return path


def image(name, size_bytes):
    """An image of one layer, as an archive that skopeo reads."""
    layer, folder = FOLDER / f"{name}-layer", FOLDER / f"{name}-oci"
    layer.write_bytes(os.urandom(size_bytes))
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def blob(data):
        import hashlib
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    with tarfile.open(FOLDER / f"{name}.tar", "w") as tar:
        tar.add(layer, arcname="data")
    packed = blob((FOLDER / f"{name}.tar").read_bytes())
    config = blob(json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                              "rootfs": {"type": "layers", "diff_ids": [packed["digest"]]}}).encode())
    manifest = blob(json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **packed}]}).encode())
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", **manifest, "annotations": {"org.opencontainers.image.ref.name": "one"}}]}))
    return f"oci:{folder}:one", packed["digest"]


ports = [free_port(), free_port()]
servers = [subprocess.Popen([registry, "serve", configuration(through, port)], stdout=subprocess.DEVNULL, stderr=open(FOLDER / f"log{through}", "w"))
           for through, port in enumerate(ports)]
try:
    [wait_for_port(port) for port in ports]
    source, layer = image("photos", 40 << 20)
    ran(skopeo, "--insecure-policy", "copy", "--preserve-digests", "--dest-tls-verify=false", source, f"docker://127.0.0.1:{ports[0]}/photos:one")
    ran(skopeo, "--insecure-policy", "copy", "--src-tls-verify=false", f"docker://127.0.0.1:{ports[1]}/photos:one", f"dir:{FOLDER}/pulled")
    pulled = FOLDER / "pulled" / layer.split(":")[1]
    demand(pulled.read_bytes() == (FOLDER / "photos.tar").read_bytes(), "the layer comes back through another home")
    tags = json.loads(ran(skopeo, "list-tags", "--tls-verify=false", f"docker://127.0.0.1:{ports[1]}/photos"))
    demand(tags["Tags"] == ["one"], f"its tag is listed: {tags}")
    ran(skopeo, "delete", "--tls-verify=false", f"docker://127.0.0.1:{ports[0]}/photos:one")
    ran(registry, "garbage-collect", "-m", FOLDER / "registry0.yml")
    left = [entry["Key"] for entry in client().list_objects_v2(Bucket=BUCKET).get("Contents", []) if entry["Size"] > 1 << 20]
    demand(left == [], f"its layers are collected: {left}")
finally:
    [server.kill() for server in servers]
version = ran(registry, "--version").split()[-1]
print(f"docker-registry {version}: 40 MiB image pushed through one home, pulled through another, deleted and collected")
