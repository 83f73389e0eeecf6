#!/usr/bin/env python3
"""flood.py PORT SECONDS: strangers at a node's port, from three addresses of loopback.

One opens 5,000 connections and says nothing. One sends headers that announce 4 GiB, and garbage. One sends half a hello, or
a byte a second. Prints how many connections it made of each kind; none of them may ever hear a proof.
"""
import os
import resource
import socket
import sys
import time

IDLE = 5000


def knock(source, port):
    """A connection from that address, or None when the node had no room."""
    stranger = socket.socket()
    stranger.settimeout(2)
    try:
        stranger.bind((source, 0))
        stranger.connect(("127.0.0.1", port))
        stranger.setblocking(False)
        return stranger
    except OSError:
        stranger.close()
        return None


def say(stranger, data):
    try:
        stranger.send(data)
    except OSError:
        pass


def hello():
    """The header of a frame of kind 1 and the first bytes of a hello."""
    return (150).to_bytes(4, "big") + bytes([1, 1, 0, 0]) + b"TROUPE\r\n"


def main():
    port, until = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))
    idle, slow, counts = [], [], {"idle": 0, "loud": 0, "slow": 0}
    while time.monotonic() < until:
        for _ in range(100 if counts["idle"] < IDLE else 0):
            stranger = knock("127.0.0.3", port)
            if stranger is not None:
                idle.append(stranger)
                counts["idle"] += 1
        for data in (b"\xff\xff\xff\xff\x01\x01\0\0", os.urandom(2000), b"GET / HTTP/1.1\r\n\r\n"):
            stranger = knock("127.0.0.4", port)
            if stranger is not None:
                say(stranger, data)
                stranger.close()
                counts["loud"] += 1
        if len(slow) < 200:
            stranger = knock("127.0.0.5", port)
            if stranger is not None:
                slow.append(stranger)
                say(stranger, hello() if counts["slow"] % 2 else b"\0")
                counts["slow"] += 1
        for stranger in slow[:: max(1, len(slow) // 20)]:
            say(stranger, b"\0")
    print(" ".join(f"{kind}={count}" for kind, count in counts.items()), flush=True)


if __name__ == "__main__":
    main()
