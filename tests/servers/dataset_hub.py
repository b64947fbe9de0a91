"""A dataset hub on loopback: files are listed, ranges of them given, and commits taken.

It speaks what ``datasets`` and ``huggingface_hub`` ask for: the tree, revisions, ``resolve``, and
for a push ``repos/create``, ``preupload``, Git LFS' batches with plain uploads, and ``commit``; and
ModelScope's list of a dataset's files, and each of them.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import json
import re
import threading

from aiohttp import web

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_of_the_test"


class DatasetHub:
    """Serves `repos`: name → {file → bytes}.

    `refuse` names a kind of request that fails; `given` counts the bytes of files.
    """

    def __init__(self, repos=None):
        self.repos = repos or {}
        self.stored, self.asked, self.created, self.given = {}, [], [], 0
        self.refuse = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self):
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self):
        app = web.Application(client_max_size=1 << 28)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _answer(self, request):
        body = await request.read()
        self.asked.append(f"{request.method} {request.path}")
        for pattern, name in ROUTES:
            found = re.fullmatch(pattern, request.path)
            if found:
                if name == self.refuse:
                    return web.json_response({"error": "refused by the test"}, status=403)
                if (
                    name in NEEDS_TOKEN
                    and request.headers.get("Authorization") != f"Bearer {TOKEN}"
                ):
                    return web.json_response({"error": "who are you?"}, status=401)
                return getattr(self, name)(request, body, *found.groups())
        return missing("EntryNotFound")

    def _whoami(self, request, body):
        return web.json_response({"type": "user", "name": "someone", "orgs": []})

    def _create(self, request, body):
        asked = json.loads(body)
        repo = f"{asked.get('organization', 'someone')}/{asked['name']}"
        answer = {"url": f"{self.url}/datasets/{repo}"}
        if repo in self.repos:
            return web.json_response(answer, status=409)
        self.repos[repo] = {}
        # the client's versions say it in two ways
        is_private = asked.get("private", asked.get("visibility") == "private")
        self.created.append((repo, is_private))
        return web.json_response(answer)

    def _tree(self, request, body, repo, under):
        files = self.repos.get(repo)
        if files is None:
            return missing("RepoNotFound")
        under = f"{under}/" if under else ""
        listed = {}
        for name, data in files.items():
            rest = name.removeprefix(under)
            if not name.startswith(under):
                continue
            if "/" in rest and request.query.get("recursive") != "true":
                path = under + rest.partition("/")[0]
                listed[path] = {"type": "directory", "path": path, "oid": COMMIT, "size": 0}
            else:
                oid = digest_of(data)
                listed[name] = {"type": "file", "path": name, "size": len(data), "oid": oid}
        if under and not listed:
            return missing("EntryNotFound")
        return web.json_response([*listed.values()])

    def _info(self, request, body, repo):
        if repo not in self.repos:
            return missing("RepoNotFound", 401)
        return web.json_response(
            {"id": repo, "sha": COMMIT, "private": False, "tags": [], "downloads": 0,
             "siblings": [{"rfilename": name} for name in self.repos[repo]]}
        )  # fmt: skip

    def _give(self, request, body, repo, name):
        data = self.repos.get(repo, {}).get(name)
        if data is None:
            return missing("EntryNotFound" if repo in self.repos else "RepoNotFound")
        headers = {"ETag": f'"{digest_of(data)}"', "X-Repo-Commit": COMMIT}
        found = re.match(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
        if not found:
            self.given += len(data)
            return web.Response(body=data, headers=headers)
        start, end = int(found[1]), min(int(found[2] or len(data)), len(data) - 1)
        headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
        self.given += end + 1 - start
        return web.Response(status=206, body=data[start : end + 1], headers=headers)

    def _preupload(self, request, body, repo):
        files = [
            {"path": file["path"], "uploadMode": "lfs", "shouldIgnore": False}
            for file in json.loads(body)["files"]
        ]
        return web.json_response({"files": files})

    def _batch(self, request, body, repo):
        objects = [
            {**one, "actions": {"upload": {"href": f"{self.url}/lfs/{one['oid']}", "header": {}}}}
            for one in json.loads(body)["objects"]
        ]
        return web.json_response({"transfer": "basic", "objects": objects})

    def _store(self, request, body, oid):
        assert hashlib.sha256(body).hexdigest() == oid
        self.stored[oid] = body
        return web.Response()

    def _commit(self, request, body, repo):
        files = dict(self.repos[repo])
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "lfsFile":
                files[value["path"]] = self.stored[value["oid"]]
            elif line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        self.repos[repo] = files
        url = f"{self.url}/datasets/{repo}/commit/{COMMIT}"
        return web.json_response({"success": True, "commitUrl": url, "commitOid": COMMIT})

    def _ms_tree(self, request, body, repo):
        files = [
            {"Path": name, "Name": name.rpartition("/")[2], "Type": "blob", "Size": len(data),
             "Sha256": hashlib.sha256(data).hexdigest(), "Revision": COMMIT, "CommittedDate": 1}
            for name, data in self.repos.get(repo, {}).items()
        ]  # fmt: skip
        if not files:
            return web.json_response({"Code": 10010205001, "Message": "no such"}, status=404)
        answer = {"Code": 200, "Success": True, "Data": {"Files": files, "TotalCount": len(files)}}
        return web.json_response(answer)

    def _ms_file(self, request, body, repo):
        return self._give(request, body, repo, request.query["FilePath"])


ROUTES = [
    (r"/api/v1/datasets/([^/]+/[^/]+)/repo/tree", "_ms_tree"),
    (r"/api/v1/datasets/([^/]+/[^/]+)/repo", "_ms_file"),
    (r"/api/whoami-v2", "_whoami"),
    (r"/api/repos/create", "_create"),
    (r"/api/datasets/([^/]+/[^/]+)/tree/[^/]+/?(.*)", "_tree"),
    (r"/api/datasets/([^/]+/[^/]+)/preupload/[^/]+", "_preupload"),
    (r"/api/datasets/([^/]+/[^/]+)/commit/[^/]+", "_commit"),
    (r"/api/datasets/([^/]+/[^/]+)(?:/revision/[^/]+)?", "_info"),
    (r"/datasets/([^/]+/[^/]+)\.git/info/lfs/objects/batch", "_batch"),
    (r"/datasets/([^/]+/[^/]+)/resolve/[^/]+/(.+)", "_give"),
    (r"/lfs/([0-9a-f]{64})", "_store"),
]
NEEDS_TOKEN = {"_whoami", "_create", "_preupload", "_commit", "_batch"}


@functools.lru_cache(maxsize=8)
def digest_of(data):
    """What a file is known by; once, for a large one is asked for in many parts."""
    return hashlib.sha1(data).hexdigest()


def missing(code, status=404):
    return web.json_response({}, status=status, headers={"X-Error-Code": code})
