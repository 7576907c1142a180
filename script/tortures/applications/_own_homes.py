"""Three homes that an application starts for itself, since it needs TLS or a bad network. Ends them all."""

import pathlib
import shutil
import signal

from _surroundings import FOLDER, GARAGE
from homes import Cluster, free_ports
from server import PROJECT
from three_homes import Homes

CERTIFICATES = PROJECT / "src/api/src/tls/fixtures"
CERTIFICATE = CERTIFICATES / "one.crt"


class OwnHomes:
    def __init__(self, name, tls=False, **settings):
        self.cluster = Cluster(GARAGE, pathlib.Path(FOLDER) / name, 3, first_port=free_ports(), **settings)
        self.nodes = self.cluster.nodes
        if tls:
            [self._speak_tls(node) for node in self.nodes]

    def _speak_tls(self, node):
        """A certificate for `localhost` on the S3 port."""
        key = node.folder / "tls.key"
        shutil.copy(CERTIFICATES / "one.key", key)
        key.chmod(0o600)
        lines = f'[s3_api]\ntls_cert_file = "{CERTIFICATE}"\ntls_key_file = "{key}"\n'
        node.config.write_text(node.config.read_text().replace("[s3_api]\n", lines))

    def __enter__(self):
        self.cluster.start()
        self.cluster.form()
        Homes.wait_until_serving(self.nodes)
        self.key, self.secret = self.cluster.key()
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.stop(signal.SIGKILL)
