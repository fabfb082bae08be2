"""A Hugging Face Hub on the loopback: the answers that huggingface_hub needs to read and write repositories.

The form of the answers is what that library's code expects; huggingface.co itself was never asked.
"""

import base64
import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants

LARGE = (".safetensors", ".bin", ".pth", ".pt")
"""Suffixes of the files that are stored with Git LFS."""


@dataclass
class Repo:
    """A repository with one commit."""

    files: dict[str, bytes] = field(default_factory=dict)
    token: str = ""  # that reading needs; "" for a public one
    gated: bool = False

    @property
    def private(self) -> bool:
        return bool(self.token)

    @property
    def commit(self) -> str:
        return hashlib.sha1(repr([(n, checksum(n, c)) for n, c in self.files.items()]).encode()).hexdigest()


@dataclass
class Hub:
    """A server, its repositories by "models/OWNER/NAME" or "spaces/...", and how it misbehaves."""

    repos: dict[str, Repo] = field(default_factory=dict)
    lfs: dict[str, bytes] = field(default_factory=dict)
    token: str = "hf_writer"  # that writing needs
    cuts: int = 0  # connections that break off in the middle of a file
    cut_after: int = 100  # bytes
    seconds: float = 0  # before each answer
    status: int = 0  # answer to every request, if it is not 0
    replaced: dict[str, bytes] = field(default_factory=dict)  # content in place of a file's, by its name
    requests: list[str] = field(default_factory=list)
    address: str = ""
    _server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listens on a free port of the loopback."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Ends the server; connections are refused from now on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def checksum(name: str, content: bytes) -> str:
    """The ETag of a file."""
    if name.endswith(LARGE):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # a connection ends with its answer, so none outlives the server
    hub: Hub

    def log_message(self, format: str, *args: object) -> None:
        """Prints nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    do_GET = do_POST = do_PUT = do_HEAD  # noqa: N815

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else self._chunks()
        path = unquote(urlsplit(self.path).path).strip("/")
        self.hub.requests.append(f"{self.command} {path}")
        time.sleep(self.hub.seconds)
        if self.hub.status:
            return self._send(self.hub.status, b"<html>not now</html>")
        parts = path.split("/")
        if self.command in ("POST", "PUT"):
            return self._write(parts, body)
        if parts[0] == "api":
            return self._info("/".join(parts[1:4]), "/".join(parts[5:]))
        kind = "spaces" if parts[0] == "spaces" else "models"
        owner, name, _, *rest = parts[1:] if kind == "spaces" else parts
        return self._file(f"{kind}/{owner}/{name}", rest)

    def _chunks(self) -> bytes:
        """The body of a request without a length."""
        body = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        return body

    def _readable(self, key: str, revision: str) -> Repo | None:
        """The repository, or None after an answer of refusal."""
        repo = self.hub.repos.get(key)
        sent = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if repo is None or (repo.token and repo.token != sent):
            self._send(404 if sent else 401, b"", {"X-Error-Code": "RepoNotFound"})
        elif repo.gated:
            self._send(403, b"", {"X-Error-Code": "GatedRepo"})
        elif revision not in ("", "main", "refs/pr/1", "v1.0", repo.commit):
            self._send(404, b"", {"X-Error-Code": "RevisionNotFound"})
        else:
            return repo
        return None

    def _info(self, key: str, revision: str) -> None:
        if repo := self._readable(key, revision):
            siblings = []
            for name, content in repo.files.items():
                sibling: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": "0" * 40}
                if name.endswith(LARGE):
                    sibling["lfs"] = {
                        "sha256": checksum(name, content),
                        "size": len(content),
                        "pointerSize": 130,
                    }
                else:
                    sibling["blobId"] = checksum(name, content)
                siblings.append(sibling)
            self._json(
                {
                    "_id": "1",
                    "id": key.partition("/")[2],
                    "sha": repo.commit,
                    "private": repo.private,
                    "siblings": siblings,
                    "tags": [],
                }
            )

    def _file(self, key: str, rest: list[str]) -> None:
        revision = "refs/pr/1" if rest[0] == "refs" else rest[0]
        name = "/".join(rest[3 if rest[0] == "refs" else 1 :])
        repo = self._readable(key, revision)
        if repo is None:
            return
        if name not in repo.files:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": repo.commit})
        content = self.hub.replaced.get(name, repo.files[name])
        headers = {
            "ETag": f'"{checksum(name, repo.files[name])}"',
            "X-Repo-Commit": repo.commit,
            "X-Linked-Etag": f'"{checksum(name, repo.files[name])}"',
            "X-Linked-Size": str(len(content)),
            "Accept-Ranges": "bytes",
        }
        status, start = 200, 0
        if wanted := self.headers.get("Range"):
            status, start = 206, int(wanted.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if self.command == "GET" and self.hub.cuts > 0:
            self.hub.cuts -= 1
            self._send(status, content[start:], headers, cut=self.hub.cut_after)
            return None
        return self._send(status, content[start:], headers)

    def _write(self, parts: list[str], body: bytes) -> None:
        if parts[0] == "lfs":  # its address is secret, so it needs no token
            assert hashlib.sha256(body).hexdigest() == parts[1]
            self.hub.lfs[parts[1]] = body
            return self._send(200, b"")
        if self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self._send(401, b'{"error": "Invalid username or password."}')
        if parts[-1] == "batch":
            objects = [
                {**entry, "actions": {"upload": {"href": f"{self.hub.address}/lfs/{entry['oid']}"}}}
                for entry in json.loads(body)["objects"]
            ]
            return self._json({"objects": objects, "transfer": "basic"})
        if parts[1:] == ["validate-yaml"]:
            return self._json({"errors": [], "warnings": []})
        if parts[1:] == ["repos", "create"]:
            return self._create(json.loads(body))
        repo = self.hub.repos["/".join(parts[1:4])]
        if parts[4] == "preupload":
            modes = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(body)["files"]
            ]
            return self._json({"files": modes})
        assert parts[4] == "commit"
        files = dict(repo.files)
        for line in map(json.loads, body.splitlines()):
            match line["key"], line["value"]:
                case "file", {"path": path, "content": content}:
                    files[path] = base64.b64decode(content)
                case "lfsFile", {"path": path, "oid": oid}:
                    files[path] = self.hub.lfs[oid]
        repo.files = files
        return self._json(
            {"commitUrl": f"{self.hub.address}/{'/'.join(parts[2:4])}/commit/1", "commitOid": repo.commit}
        )

    def _create(self, body: dict) -> None:
        owner = body.get("organization") or "me"
        url = {"url": f"{self.hub.address}/{owner}/{body['name']}"}
        if f"models/{owner}/{body['name']}" in self.hub.repos:
            return self._send(409, json.dumps({"error": "You already created this repo", **url}).encode())
        private = body.get("private") or body.get("visibility") == "private"
        repo = Repo(
            {".gitattributes": b"*.safetensors filter=lfs\n"}, token=self.hub.token if private else ""
        )
        self.hub.repos[f"models/{owner}/{body['name']}"] = repo
        return self._json({**url, "id": f"{owner}/{body['name']}"})

    def _json(self, content: dict) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, cut: int | None = None
    ) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])


def use(hub: Hub, cache: Path, patch: pytest.MonkeyPatch) -> None:
    """Makes huggingface_hub use a server and a cache, as the environment does when it is imported."""
    files = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
    patch.setattr(constants, "ENDPOINT", hub.address)
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
    patch.setattr(constants, "HF_HUB_CACHE", str(cache))
    patch.setattr(constants, "HF_TOKEN_PATH", str(cache / "token"))
    patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        patch.delenv(variable, raising=False)
        patch.delenv(variable.lower(), raising=False)
