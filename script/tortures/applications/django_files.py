"""django-storages: a site's uploads and its static files, with signed links and public ACLs."""

import urllib.request

import django
from _surroundings import BUCKET, ENDPOINTS, REGION, client, demand
from django.conf import settings

OPTIONS = {"bucket_name": BUCKET, "endpoint_url": ENDPOINTS[0], "region_name": REGION, "addressing_style": "path",
           "signature_version": "s3v4"}
settings.configure(USE_TZ=True, STORAGES={
    "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": {**OPTIONS, "file_overwrite": False}},
    "staticfiles": {"BACKEND": "storages.backends.s3.S3ManifestStaticStorage", "OPTIONS": {**OPTIONS, "location": "static"}},
    "public": {"BACKEND": "storages.backends.s3.S3Storage",
               "OPTIONS": {**OPTIONS, "default_acl": "public-read", "querystring_auth": False}},
})
django.setup()

from django.core.files.base import ContentFile  # noqa: E402
from django.core.files.storage import default_storage, storages  # noqa: E402

# What AWS asks of a bucket before its objects may be public.
client().put_bucket_ownership_controls(
    Bucket=BUCKET, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]})

one = default_storage.save("uploads/Ärger & Freude.txt", ContentFile("grüße".encode()))
two = default_storage.save("uploads/Ärger & Freude.txt", ContentFile(b"another"))
demand(one != two, "a second file of a name gets another name")
demand(default_storage.open(one).read() == "grüße".encode(), "what was saved is read")
demand(default_storage.size(two) == 7 and default_storage.exists(two), "its size is known")
demand(default_storage.get_modified_time(one).tzinfo is not None, "its time is known")
with urllib.request.urlopen(default_storage.url(one)) as answer:
    demand(answer.read() == "grüße".encode(), "the signed link opens")
folders, files = default_storage.listdir("uploads")
demand((folders, len(files)) == ([], 2), "a folder lists its files")
big = default_storage.save("uploads/film.bin", ContentFile(b"f" * (20 << 20)))
demand(default_storage.size(big) == 20 << 20, "large files go by multipart")

public = storages["public"].save("open/page.html", ContentFile(b"<p>hello</p>"))
with urllib.request.urlopen(storages["public"].url(public)) as answer:
    demand(answer.headers["Content-Type"] == "text/html", "its type is kept")
    demand(answer.read() == b"<p>hello</p>", "public-read needs no signature")

static = storages["staticfiles"]
static.save("style.css", ContentFile(b"body { color: red }"))
static.save("staticfiles.json", ContentFile(b"{}"))
demand(static.exists("style.css"), "static files are kept under their prefix")
default_storage.delete(one)
demand(not default_storage.exists(one), "deleted is deleted")
print(f"django {django.get_version()}, django-storages: uploads, signed links, public ACL, multipart, static files")
