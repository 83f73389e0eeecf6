#!/usr/bin/env python3
"""Sends what no client should send to the admin socket of the node d1, and then asks it properly.

    tests/cli/admin_garbage.py SOCKET

Prints `fine` when every bad request got an error and every good one its answer.
"""
import json
import socket
import struct
import sys


def talk(data, count=1):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(sys.argv[1])
        s.sendall(data)
        file = s.makefile("rb")
        replies = []
        for _ in range(count):
            size = file.read(4)
            replies.append(json.loads(file.read(struct.unpack(">I", size)[0])))
        return replies


def frame(text):
    return struct.pack(">I", len(text)) + text


bad = [frame(b"{"), frame(b"[]"), frame(b"\xff\xfe"), frame(b"{}"), frame(b'{"op":5}'), frame(b'{"op":"x\\u001b"}'),
       frame(b"[" * 100000), frame(b'{"op":"call"}'), frame(b'{"op":"call","to":5,"type":"t","message":{}}'),
       frame(b'{"op":"spawn","behavior":"' + b"x" * 100000 + b'"}'), frame(b'{"op":"exit","to":"<1.1>"}'),
       struct.pack(">I", 1 << 20 | 1), struct.pack(">I", 0xffffffff), b"GET / HTTP/1.0\r\n\r\n", frame(b'{"op":"ping"\0}')]
for data in bad:
    reply = talk(data)[0]
    assert reply["ok"] is False and reply["status"].startswith("TROUPE_E_") and reply["error"], (data[:40], reply)
replies = talk(frame(b'{"op":"ping"}') * 50, 50)
assert all(reply["ok"] and reply["name"] == "d1" for reply in replies)
for op in ("info", "actors", "behaviors", "types", "members"):
    reply = talk(frame(json.dumps({"op": op}).encode()))[0]
    assert reply["ok"] is True, (op, reply)
print("fine")
