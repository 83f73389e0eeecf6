#!/usr/bin/env python3
"""Fails when an include breaks the layering, forms a cycle, or names a fenced library.

Run from the repository root: tools/check_layers.py. No arguments, no configuration file: the
two tables below are the architecture, and changing them is a change to docs/architecture.md.
"""
import os
import re
import sys

# folder -> folders it may include besides itself ("troupe" is the public header folder)
LAYERS = {
    "runtime/include": ["troupe"],
    "runtime/base": ["troupe"],
    "runtime/sync": ["troupe", "base"],
    "runtime/type": ["troupe", "base"],
    "runtime/core": ["troupe", "base", "sync", "type"],
    "runtime/sched": ["troupe", "base", "sync", "type", "core"],
    "runtime/wire": ["troupe", "base", "type", "core"],
    "runtime/io": ["troupe", "base", "sync"],
    "runtime/dist": ["troupe", "base", "sync", "type", "core", "sched", "wire", "io"],
    "runtime/node": ["troupe", "base", "sync", "type", "core", "sched", "wire", "io", "dist"],
    "runtime/kit": ["troupe", "base", "sync", "type", "core", "sched", "wire", "io", "dist", "node"],
    "registry/names": ["troupe", "base", "sync", "core", "dist"],
    "registry/pg": ["troupe", "base", "io", "dist", "names"],
    "daemon": ["troupe", "base", "sync", "type", "core", "sched", "wire", "io", "dist", "node", "names", "pg"],
    "cli": ["troupe", "base", "type", "wire", "io", "dist", "node", "names", "pg", "daemon"],
    "examples": ["troupe"],
}
# third-party header -> folders that may include it
FENCES = {
    "uv.h": ["runtime/io"],
    "libpq-fe.h": ["registry/pg"],
    "cjson/cJSON.h": ["runtime/type", "runtime/node", "daemon", "cli"],
    "openssl/": ["runtime/wire"],
    "zstd.h": ["runtime/wire"],
    "stdatomic.h": ["runtime/sync"],
    "pthread.h": ["runtime/sync"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def folder_of(path):
    return next((f for f in sorted(LAYERS, key=len, reverse=True) if path.startswith(f + "/")), None)


def main():
    errors, graph, known = [], {}, {}
    for top in ("runtime", "registry", "daemon", "cli", "examples"):
        for directory, _, names in os.walk(top):
            for name in (n for n in names if n.endswith((".c", ".h"))):
                path = os.path.join(directory, name)
                known["/".join(path.split("/")[-2:])] = path
    for path in sorted(known.values()):
        folder = folder_of(path)
        if folder is None:
            errors.append(f"{path}: its folder is not in LAYERS")
            continue
        with open(path, encoding="utf-8") as file:
            includes = INCLUDE.findall(file.read())
        graph[path] = [known[h] for _, h in includes if h in known]
        for quote, header in includes:
            fence = header if header in FENCES else header.split("/")[0] + "/"
            if fence in FENCES and folder not in FENCES[fence]:
                errors.append(f"{path}: <{header}> belongs to {', '.join(FENCES[fence])}")
            layer = header.split("/")[0] if "/" in header else folder.split("/")[-1]
            if quote == '"' and layer != folder.split("/")[-1] and layer not in LAYERS[folder]:
                errors.append(f'{path}: "{header}" is not below {folder}')
    done, trail = set(), []

    def visit(path):
        if path in trail:
            errors.append("include cycle: " + " -> ".join(trail[trail.index(path):] + [path]))
        elif path not in done:
            trail.append(path)
            for other in graph.get(path, []):
                visit(other)
            done.add(trail.pop())

    for path in sorted(graph):
        visit(path)
    print("\n".join(errors) or f"layers ok: {len(graph)} files")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
