"""restic: a repository on S3, backup twice, check every byte, restore, forget with prune."""

import tree
from command import ask, system_tool
from home import equal, true
from suite import Suite


def _prepare(home):
    return ask([_program(), "version"], home).strip()


def _program():
    return system_tool("restic", "Debian's package: script/test --install-clients")


SUITE = Suite("restic_", _prepare)


def restic(home, bucket, *words):
    environment = dict(RESTIC_REPOSITORY=f"s3:{home.endpoint}/{bucket}/repo", RESTIC_PASSWORD="only for this test",
                       RESTIC_CACHE_DIR=str(home.work_dir / "restic-cache"))
    return ask([_program(), "--quiet", *words], home, **environment)


@SUITE.case("init, two backups, check with all data, restore, forget and prune")
def backup(home):
    folder, bucket = home.folder("restic"), home.unique("restic")
    tree.make(folder / "in", many=300)
    restic(home, bucket, "init")
    restic(home, bucket, "backup", str(folder / "in"))
    (folder / "in" / "plain.txt").write_text("changed")
    restic(home, bucket, "backup", str(folder / "in"))
    restic(home, bucket, "check", "--read-data")
    restic(home, bucket, "restore", "latest", "--target", str(folder / "out"))
    tree.same(folder / "in", str(folder / "out") + str(folder / "in"))
    restic(home, bucket, "forget", "--keep-last", "1", "--prune")
    restic(home, bucket, "check", "--read-data")
    true("locks" not in restic(home, bucket, "list", "locks"), "no lock is left")
