"""What comes from the network: packages, the base image, compose v2, and a proxy for what the image builds install.

All of it comes from the mirror that this machine's own apt uses, and is kept in build/compose. The proxy is the only
way out of the engine's network, knows only that mirror, and fetches no package file twice.
"""
import glob
import hashlib
import http.client
import http.server
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import urllib.parse

from harness.engine import BRIDGE

BASE, SUITE = "debian:bookworm-slim", "bookworm"
# The release whose package of compose v2 is taken where this one has none; its program runs on ours.
V2_SUITE, V2_PACKAGE = "trixie", "docker-compose"
PROXY_PORT = 3142
SECONDS = 300
CACHE_BYTES = 1 << 30


def run(words, seconds=SECONDS):
    """Answers None, or the last lines of a command that failed."""
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=seconds)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else " | ".join(done.stdout.strip().split("\n")[-3:])


def install_packages():
    problem = run(["tools/install_dependencies.sh", "compose"])
    return f"its packages cannot be installed: {problem}" if problem else None


def mirror():
    """The Debian archive that apt uses on this machine, or None when its sources name none."""
    for path in ["/etc/apt/sources.list"] + sorted(glob.glob("/etc/apt/sources.list.d/*")):
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                found = re.search(r"^(?:deb\s|URIs:).*?(https?://\S+/debian)/?(?=\s|$)", file.read(), re.M)
            if found:
                return found.group(1)
    return None


def base_recipe():
    """The arguments that make the base system, but for the file. What is installed in it later comes through the proxy,
    for which http is enough: the proxy speaks to the mirror as the mirror wants it."""
    source = mirror()
    plain = source.replace("https://", "http://")
    return ["mmdebstrap", "--mode=root", "--variant=minbase", "--quiet", '--aptopt=Acquire::Languages "none"',
            "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=force-unsafe-io",
            f"--customize-hook=echo 'deb {plain} {SUITE} main' >\"$1/etc/apt/sources.list\"",
            f"--customize-hook=echo 'Acquire::http::Proxy \"http://{BRIDGE}:{PROXY_PORT}\";' "
            ">\"$1/etc/apt/apt.conf.d/90mirror\"", SUITE, f"deb {source} {SUITE} main"]


def base_path(folder):
    recipe = hashlib.sha256("\n".join(base_recipe()).encode()).hexdigest()[:12]
    return os.path.join(folder, f"base-{recipe}.tar")


def make_base(folder):
    """Makes the system that stands in for the base image, unless it is there; answers what went wrong, or None."""
    if mirror() is None:
        return "apt's sources name no Debian archive to make the base image from"
    path = base_path(folder)
    if os.path.exists(path):
        return None
    for old in glob.glob(os.path.join(folder, "base-*")):
        os.remove(old)
    words = base_recipe()
    problem = run(words[:-1] + [path + ".part.tar"] + words[-1:])
    if problem:
        return f"the base image cannot be made: {problem}"
    os.rename(path + ".part.tar", path)
    return None


def v2_path(folder):
    return os.path.join(folder, "v2", "docker-compose")


def fetch_compose_v2(folder):
    """Takes the program of compose v2 out of Debian's package, unless it is there. Without it the cases that want it
    say so. apt gets its own lists and its own state: the system's are not touched."""
    path = v2_path(folder)
    if os.path.exists(path):
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as scratch:
        for name in ("lists/partial", "cache/archives/partial", "parts"):
            os.makedirs(os.path.join(scratch, name))
        os.chmod(scratch, 0o755)
        with open(f"{scratch}/sources.list", "w", encoding="utf-8") as file:
            file.write(f"deb [arch={architecture()}] {mirror()} {V2_SUITE} main\n")
        options = [f"Dir::Etc::sourcelist={scratch}/sources.list", f"Dir::Etc::sourceparts={scratch}/parts",
                   f"Dir::State::lists={scratch}/lists", f"Dir::Cache={scratch}/cache", "APT::Sandbox::User=root",
                   "Acquire::Languages=none", "APT::Get::List-Cleanup=0"]
        options = [word for option in options for word in ("-o", option)]
        problem = run(["apt-get", "-qq"] + options + ["update"])
        problem = problem or run(["sh", "-c", 'cd "$1" && shift && exec apt-get -qq "$@"', "sh", scratch] + options +
                                 ["download", V2_PACKAGE])
        packages = glob.glob(f"{scratch}/{V2_PACKAGE}_*.deb")
        if problem or not packages:
            print(f"# compose v2 cannot be fetched: {problem}")
            return
        problem = run(["dpkg-deb", "-x", packages[0], f"{scratch}/x"])
        found = glob.glob(f"{scratch}/x/usr/lib*/docker/cli-plugins/docker-compose")
        if problem or not found:
            print(f"# the package of compose v2 is not as expected: {problem}")
            return
        shutil.move(found[0], path)


def architecture():
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()


def serve(channel, folder):
    """Answers requests on the listening socket that comes through channel, until this process ends."""
    cache = os.path.join(folder, "packages")
    os.makedirs(cache, exist_ok=True)
    if sum(item.stat().st_size for item in os.scandir(cache)) > CACHE_BYTES:
        shutil.rmtree(cache)
        os.makedirs(cache)
    threading.Thread(target=wait_and_serve, args=(channel, cache), daemon=True).start()


def wait_and_serve(channel, cache):
    _, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
    if not descriptors:
        return
    listener = socket.socket(fileno=descriptors[0])
    upstream = urllib.parse.urlsplit(mirror())

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            answer(self, upstream, cache)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.serve_forever()


def answer(request, upstream, cache):
    target = urllib.parse.urlsplit(request.path)
    if target.hostname != upstream.hostname:
        request.send_error(403, "only the mirror can be asked here")
        return
    kept = os.path.join(cache, hashlib.sha256(target.path.encode()).hexdigest())
    if not target.path.endswith(".deb"):
        kept = None
    elif os.path.exists(kept):
        with open(kept, "rb") as file:
            body = file.read()
        reply(request, 200, [], body)
        return
    kind = http.client.HTTPSConnection if upstream.scheme == "https" else http.client.HTTPConnection
    connection = kind(upstream.hostname, upstream.port, timeout=60)
    try:
        headers = {name: request.headers[name] for name in ("If-Modified-Since", "Cache-Control") if name in request.headers}
        connection.request("GET", target.path, headers=headers)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        request.send_error(502, str(error))
        return
    finally:
        connection.close()
    if kept and response.status == 200:
        with tempfile.NamedTemporaryFile(dir=cache, delete=False) as file:
            file.write(body)
        os.rename(file.name, kept)
    passed = [(name, value) for name, value in response.getheaders() if name in ("Last-Modified", "Content-Type", "Location")]
    reply(request, response.status, passed, body)


def reply(request, status, headers, body):
    try:
        request.send_response(status)
        for name, value in headers:
            request.send_header(name, value)
        if status != 304:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
    except OSError:
        pass  # who asked has gone
