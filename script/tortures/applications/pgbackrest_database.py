"""pgbackrest: a database is backed up over TLS, its log archived, destroyed, restored to a moment through another home, and compared.

pgbackrest speaks TLS only and signs its own requests. PostgreSQL does not run as root: as root everything of it runs as
the user that Debian makes for it.
"""

import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import time

import boto3
from _own_homes import CERTIFICATE, OwnHomes
from _surroundings import REGION, demand, free_port, program, ran, skip

PGBACKREST = program("pgbackrest")
POSTGRES = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), default=None) or skip(
    "postgresql is not installed: script/torture applications --install")
BUCKET, STANZA, ROWS = "database-backups", "home", 30_000
PROMOTED_WITHIN_S = 60
AS_USER = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


class Database:
    def __init__(self, homes):
        self.homes, self.port = homes, free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pgbackrest-"))
        self.data, self.config = self.folder / "data", self.folder / "pgbackrest.conf"
        # A certificate's file has to be readable by that user too.
        shutil.copy(CERTIFICATE, self.folder / "ca.crt")
        if AS_USER:
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)

    def run(self, *command):
        return ran(*AS_USER, *command, cwd=self.folder, env={"PATH": os.environ["PATH"], "HOME": str(self.folder)})

    def pg(self, name, *words):
        return self.run(POSTGRES / name, *words)

    def sql(self, text):
        return self.pg("psql", "-h", self.folder, "-p", str(self.port), "-d", "postgres", "-AtX", "-v", "ON_ERROR_STOP=1", "-c", text).strip()

    def backrest(self, *words):
        return self.run(PGBACKREST, f"--config={self.config}", f"--stanza={STANZA}", "--log-level-console=warn", *words)

    def through(self, home):
        """Says through which home the repository is reached."""
        port = self.homes.nodes[home].s3_port
        self.config.write_text(
            f"[global]\nrepo1-type=s3\nrepo1-path=/repo\nrepo1-s3-bucket={BUCKET}\nrepo1-s3-endpoint=localhost\n"
            f"repo1-storage-port={port}\nrepo1-s3-region={REGION}\nrepo1-s3-uri-style=path\nrepo1-storage-ca-file={self.folder}/ca.crt\n"
            f"repo1-s3-key={self.homes.key}\nrepo1-s3-key-secret={self.homes.secret}\nrepo1-retention-full=1\nrepo1-bundle=y\n"
            f"repo1-cipher-type=aes-256-cbc\nrepo1-cipher-pass=only-for-this-test\n"
            f"process-max=3\nstart-fast=y\nlock-path={self.folder}/lock\nlog-path={self.folder}\nspool-path={self.folder}/spool\n"
            f"[{STANZA}]\npg1-path={self.data}\npg1-port={self.port}\npg1-socket-path={self.folder}\n")

    def create(self):
        self.pg("initdb", "-D", self.data, "--auth=trust", "--no-sync")
        self.run("sh", "-c", f"""cat >> '{self.data}/postgresql.conf' <<'END'
port = {self.port}
listen_addresses = ''
unix_socket_directories = '{self.folder}'
archive_mode = on
archive_command = '{PGBACKREST} --config={self.config} --stanza={STANZA} archive-push %p'
wal_level = replica
END""")
        self.start()

    def start(self):
        self.pg("pg_ctl", "-D", self.data, "-w", "-t", "120", "-l", self.folder / "postgres.log", "start")

    def stop(self):
        subprocess.run([*AS_USER, POSTGRES / "pg_ctl", "-D", self.data, "-m", "immediate", "stop"], cwd=self.folder, capture_output=True)

    def fill(self, name):
        self.sql(f"create table {name} as select n, md5(n::text) as text, repeat(md5((n * 7)::text), 20) as long "
                 f"from generate_series(1, {ROWS}) as n")

    def sum(self, name):
        return self.sql(f"select count(*), md5(string_agg(t::text, ',' order by n)) from {name} as t")


def back_up(database):
    """A full backup, changes, an incremental one, changes that only the log has, a mistake; what both tables held before it."""
    database.backrest("stanza-create")
    database.backrest("check")
    database.fill("one")
    database.backrest("backup", "--type=full")
    database.fill("two")
    database.sql("update one set text = 'changed' where n % 3 = 0")
    database.through(1)
    database.backrest("backup", "--type=incr")
    database.sql("delete from two where n % 2 = 0")
    wanted = {name: database.sum(name) for name in ("one", "two")}
    database.sql("select pg_create_restore_point('before_the_mistake')")
    database.sql("drop table one")
    database.sql("select pg_switch_wal()")
    database.backrest("check")
    return wanted


def restore(database, wanted):
    database.stop()
    shutil.rmtree(database.data)
    database.through(2)
    database.backrest("restore", "--type=name", "--target=before_the_mistake", "--target-action=promote")
    database.start()
    deadline = time.monotonic() + PROMOTED_WITHIN_S
    while database.sql("select pg_is_in_recovery()") != "f":
        demand(time.monotonic() < deadline, "the restored database becomes a primary")
        time.sleep(0.1)
    found = {name: database.sum(name) for name in ("one", "two")}
    demand(found == wanted, f"the tables are those of before the mistake: {found}, wanted {wanted}")


def expire(database, s3):
    """A new full backup on the new time line; what the old one needed goes."""
    before = {entry["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET) for entry in page["Contents"]}
    database.backrest("backup", "--type=full")
    after = {entry["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET) for entry in page["Contents"]}
    demand(before - after, "the expired backup's files are deleted")
    database.backrest("verify")
    return len(before), len(after)


with OwnHomes("homes", tls=True) as homes:
    client = boto3.client("s3", endpoint_url=f"https://localhost:{homes.nodes[0].s3_port}", region_name=REGION, verify=str(CERTIFICATE),
                          aws_access_key_id=homes.key, aws_secret_access_key=homes.secret)
    client.create_bucket(Bucket=BUCKET)
    place = Database(homes)
    place.through(0)
    try:
        place.create()
        tables = back_up(place)
        restore(place, tables)
        files, left = expire(place, client)
        version = place.run(PGBACKREST, "version").split()[-1]
        server = place.pg("postgres", "--version").split()[2]
    finally:
        place.stop()
        shutil.rmtree(place.folder, ignore_errors=True)
print(f"pgbackrest {version}, PostgreSQL {server}, over TLS: full and incremental backup through two homes, encrypted and bundled; "
      f"restored to a named point through the third, two tables of {ROWS} rows equal; expired and verified ({files} files, then {left})")
