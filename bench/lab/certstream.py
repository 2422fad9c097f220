"""certstream-server-go: reads one log and tells it to whoever listens."""
import json

from lab import rivals
from lab.daemon import HOST, Daemon, free_port

NAME = "certstream-server-go"


def configure(path, port, url, tiled, recovery):
    """Its configuration, as JSON, which is YAML: one log, and none that it knows by itself."""
    path.write_text(json.dumps({
        "webserver": {"listen_addr": HOST, "listen_port": port, "full_url": "/full-stream",
                      "lite_url": "/", "domains_only_url": "/domains-only"},
        "prometheus": {"enabled": False},
        "general": {"disable_default_logs": True, "drop_old_logs": False, "recovery": recovery,
                    "additional_tiled_logs" if tiled else "additional_logs": [
                        {"url": url, "operator": "Farm", "description": "Farm log"}],
                    "buffer_sizes": {"websocket": 1 << 17, "ctlog": 1000,
                                     "broadcastmanager": 1 << 17}}}), encoding="ascii")


class Certstream:
    """A feed of one log, from where that is when it starts. With recovery it would begin at the log's
    first entry, before anybody listens."""
    PATHS = {"full": "full-stream", "lite": "", "domains": "domains-only"}

    def __init__(self, folder, url, tiled):
        folder.mkdir()
        self.port = free_port()
        configure(folder / "config.yml", self.port, url, tiled, {"enabled": False})
        self.daemon = Daemon(folder, self.port, rivals.program(NAME), "--config",
                             "config.yml")

    def url(self, kind):
        return f"ws://{HOST}:{self.port}/{self.PATHS[kind]}"

    def clients(self):
        """How many it has said that it has."""
        return self.daemon.log.read_text(encoding="utf-8").count("Starting new websocket")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.daemon.stop()
