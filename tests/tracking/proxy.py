"""A wire between a client and a server that can be cut in ways that a server cannot."""

import socket
import threading
from typing import Literal

Mode = Literal["through", "silent", "deaf"]
"""through: a plain wire. silent: requests reach the server, answers do not come back. deaf: not even the requests."""


class Proxy:
    """TCP on 127.0.0.1 from `port` to `server`; `mode` may change at any time and holds for what flows from then on."""

    def __init__(self, server: int) -> None:
        self.server, self.mode = server, "through"
        self.mode: Mode
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self.server))
            except OSError:
                return
            for source, sink, asks in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._carry, args=(source, sink, asks), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, asks: bool) -> None:
        try:
            while data := source.recv(65536):
                if self.mode == "through" or (self.mode == "silent" and asks):
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()
            sink.close()
