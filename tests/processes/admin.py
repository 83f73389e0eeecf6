"""The administration protocol of a node (docs/admin.md), over its unix socket."""
import concurrent.futures
import json
import socket
import struct
import threading

from harness.wait import Wrong


class Refused(Wrong):
    """A request that a node answered with an error; status is its name."""

    def __init__(self, reply):
        super().__init__(f"{reply.get('status')}: {reply.get('error')}")
        self.status = reply.get("status", "")


class Admin:
    """A connection for each thread, made when it is needed. Any failure of it is Wrong, and the next request makes a new
    one."""

    def __init__(self, path):
        self.path = path
        self.mine = threading.local()

    def close(self):
        """Forgets the connections, as when the node has gone."""
        self.mine = threading.local()

    def connection(self):
        if getattr(self.mine, "socket", None) is None:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.settimeout(5)
            made.connect(self.path)
            self.mine.socket = made
        return self.mine.socket

    def ask(self, seconds=15, **request):
        """Answers what the node answers; raises Refused when that is an error."""
        data = json.dumps(dict(request, timeout_ms=int(seconds * 1000))).encode()
        try:
            connection = self.connection()
            connection.settimeout(seconds + 10)
            connection.sendall(struct.pack(">I", len(data)) + data)
            reply = json.loads(read(connection, struct.unpack(">I", read(connection, 4))[0]))
        except OSError as error:
            self.mine.socket = None
            raise Wrong(f"{self.path}: {error}") from error
        if not reply.get("ok"):
            raise Refused(reply)
        return reply


def read(connection, size):
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise OSError("closed by the node")
        data += piece
    return data


def at_once(calls):
    """Makes the calls in as many threads; answers what they answered, or raises what one raised."""
    calls = list(calls)
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]
