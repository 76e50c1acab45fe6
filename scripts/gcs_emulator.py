"""Google Cloud Storage on this machine, for tests: the PyPI package gcp-storage-emulator, and the XML API that it lacks.

The package speaks the JSON API. Rust's object_store asks the XML API: listings, conditions (x-goog-if-generation-match), ranges,
uploads in parts, copies. These are added here over the package's own store; every other path is the package's. Answers follow
https://cloud.google.com/storage/docs/xml-api. One lock keeps requests apart, so that a condition and its write are one.

Usage: gcs_emulator.py [--port N] [--bucket NAME]… [--page N] [--data-dir DIR] [--until-eof]; prints `listening on N`.
"""

import argparse
import email.utils
import hashlib
import http.server
import logging
import sys
import threading
import time
import xml.etree.ElementTree as ET
from functools import partial
from urllib.parse import parse_qsl, unquote, urlsplit

from gcp_storage_emulator.handlers import buckets, objects
from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage

JSON_PATHS = {"", "storage", "upload", "download", "b", "batch", "wipe", "resumable"}
LOCK = threading.Lock()
PARTS = {}  # upload id -> (bucket, key, {part number: bytes})
LAST_GENERATION = [0]
PAGE = [1000]


class Refusal(Exception):
    """An answer that is an error: status, code, message."""


def element(tag, *children, text=None):
    node = ET.Element(tag)
    node.text = text
    node.extend(children)
    return node


def xml(node):
    return b'<?xml version="1.0" encoding="UTF-8"?>' + ET.tostring(node)


class Handler(RequestHandler):
    def do_GET(self):
        self.either("GET", super().do_GET)

    def do_HEAD(self):
        self.either("HEAD", lambda: self.answer(501, b""))

    def do_PUT(self):
        self.either("PUT", super().do_PUT)

    def do_POST(self):
        self.either("POST", super().do_POST)

    def do_DELETE(self):
        self.either("DELETE", super().do_DELETE)

    def either(self, method, package):
        url = urlsplit(self.path)
        bucket, _, key = url.path[1:].partition("/")
        if bucket in JSON_PATHS:
            with LOCK:
                return package()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if len(body) < int(self.headers.get("Content-Length") or 0):
            self.close_connection = True  # Cut off: nothing of it counts.
            return None
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        try:
            with LOCK:
                status, headers, content = self.xml(method, unquote(bucket), unquote(key), query, body)
        except Refusal as refusal:
            status, code, message = refusal.args
            headers = {"Content-Type": "application/xml"}
            content = xml(element("Error", element("Code", text=code), element("Message", text=message)))
        self.answer(status, content, headers)

    def answer(self, status, content, headers=None):
        self.send_response(status)
        headers = {"Content-Length": str(len(content)), **(headers or {})}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def xml(self, method, bucket, key, query, body):
        if bucket not in self.storage.buckets:
            raise Refusal(404, "NoSuchBucket", "The specified bucket does not exist.")
        if not key:
            return self.listing(bucket, query)
        if method in ("GET", "HEAD"):
            return self.download(bucket, key)
        if method == "PUT" and "uploadId" in query:
            parts = self.parts(query)
            parts[int(query["partNumber"])] = body
            return 200, {"ETag": etag(body)}, b""
        if method == "PUT":
            self.condition(bucket, key)
            source = self.headers.get("x-goog-copy-source")
            if source is None:
                return self.keep(bucket, key, body, etag(body))
            from_bucket, _, from_key = unquote(source).lstrip("/").partition("/")
            facts, content = self.find(from_bucket, from_key)
            return self.keep(bucket, key, content, facts["etag"])
        if method == "POST" and "uploads" in query:
            upload = f"upload-{len(PARTS)}-{time.time_ns()}"
            PARTS[upload] = (bucket, key, {})
            return 200, {}, xml(element("InitiateMultipartUploadResult", element("UploadId", text=upload)))
        if method == "POST" and "uploadId" in query:
            return self.complete(bucket, key, query, body)
        if method == "DELETE" and "uploadId" in query:
            self.parts(query)
            del PARTS[query["uploadId"]]
            return 204, {}, b""
        if method == "DELETE":
            self.find(bucket, key)
            self.storage.delete_file(bucket, key)
            return 204, {}, b""
        raise Refusal(501, "NotImplemented", f"{method} {self.path}")

    def parts(self, query):
        if query["uploadId"] not in PARTS:
            raise Refusal(404, "NoSuchUpload", "The requested upload was not found.")
        return PARTS[query["uploadId"]][2]

    def complete(self, bucket, key, query, body):
        parts = self.parts(query)
        named = [
            (int(part.findtext("PartNumber")), part.findtext("ETag")) for part in ET.fromstring(body).iter("Part")
        ]
        if any(number not in parts or etag(parts[number]) != tag for number, tag in named):
            raise Refusal(400, "InvalidPart", "One or more of the specified parts could not be found.")
        if any(len(parts[number]) < 5 << 20 for number, _ in named[:-1]):
            raise Refusal(400, "EntityTooSmall", "A part but the last is smaller than 5 MiB.")
        content = b"".join(parts[number] for number, _ in named)
        digests = b"".join(hashlib.md5(parts[number]).digest() for number, _ in named)
        tag = f'"{hashlib.md5(digests).hexdigest()}-{len(named)}"'
        del PARTS[query["uploadId"]]
        status, headers, _ = self.keep(bucket, key, content, tag)
        return status, headers, xml(element("CompleteMultipartUploadResult", element("ETag", text=tag)))

    def condition(self, bucket, key):
        wanted = self.headers.get("x-goog-if-generation-match")
        there = self.storage.objects.get(bucket, {}).get(key)
        if wanted is not None and wanted != (there["generation"] if there else "0"):
            raise Refusal(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold.")

    def keep(self, bucket, key, content, tag):
        facts = objects._make_object_resource(
            "http://emulator", bucket, key, self.headers.get("Content-Type"), str(len(content))
        )
        facts = objects._checksums(content, facts)
        facts["etag"] = tag
        if "-" in tag:
            facts.pop("md5Hash", None)
        LAST_GENERATION[0] = max(LAST_GENERATION[0] + 1, time.time_ns() // 1000)
        facts["generation"] = str(LAST_GENERATION[0])
        self.storage.create_file(bucket, key, content, facts)
        return 200, described(facts), b""

    def find(self, bucket, key):
        facts = self.storage.objects.get(bucket, {}).get(key)
        if facts is None:
            raise Refusal(404, "NoSuchKey", "The specified key does not exist.")
        content = self.storage.get_file(bucket, key)
        return {"etag": etag(content), **facts}, content

    def download(self, bucket, key):
        facts, content = self.find(bucket, key)
        headers = {**described(facts), "Content-Type": facts.get("contentType") or "application/octet-stream"}
        wanted = self.headers.get("If-Match")
        if wanted is not None and wanted != facts["etag"]:
            raise Refusal(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold.")
        span = self.headers.get("Range")
        if span is None:
            headers["Content-Length"] = str(len(content))
            return 200, headers, content
        first, _, last = span.removeprefix("bytes=").partition("-")
        first, last = int(first), min(int(last or len(content) - 1), len(content) - 1)
        if first >= len(content):
            raise Refusal(416, "InvalidRange", "The requested range cannot be satisfied.")
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        return 206, headers, content[first : last + 1]

    def listing(self, bucket, query):
        prefix, after = query.get("prefix", ""), query.get("continuation-token") or query.get("start-after", "")
        names = sorted(n for n in self.storage.objects.get(bucket, {}) if n.startswith(prefix) and n > after)
        most = min(int(query.get("max-keys", PAGE[0])), PAGE[0])
        result = element("ListBucketResult", element("Name", text=bucket), element("Prefix", text=prefix))
        for name in names[:most]:
            facts, content = self.find(bucket, name)
            result.append(
                element(
                    "Contents",
                    element("Key", text=name),
                    element("Generation", text=facts["generation"]),
                    element("LastModified", text=facts["timeCreated"]),
                    element("ETag", text=facts["etag"]),
                    element("Size", text=str(len(content))),
                )
            )
        if len(names) > most:
            result.append(element("NextContinuationToken", text=names[most - 1]))
        return 200, {"Content-Type": "application/xml"}, xml(result)


def etag(content):
    return f'"{hashlib.md5(content).hexdigest()}"'


def described(facts):
    hashes = [f"crc32c={facts['crc32c']}"] + ([f"md5={facts['md5Hash']}"] if "md5Hash" in facts else [])
    return {
        "ETag": facts["etag"],
        "x-goog-generation": facts["generation"],
        "x-goog-hash": ",".join(hashes),
        "Last-Modified": email.utils.formatdate(int(str(facts["generation"])[:10]), usegmt=True),
    }


def main():
    said = argparse.ArgumentParser(description="Google Cloud Storage on this machine, for tests")
    said.add_argument("--port", type=int, default=0, help="0 takes any that is free")
    said.add_argument("--bucket", action="append", default=[], help="a bucket to make, as often as needed")
    said.add_argument("--page", type=int, default=1000, help="objects in one page of a listing")
    said.add_argument("--data-dir", help="keep objects on disk here rather than in memory")
    said.add_argument("--until-eof", action="store_true", help="end when standard input does: with whoever started it")
    said = said.parse_args()
    logging.disable(logging.CRITICAL)
    PAGE[0] = said.page
    storage = Storage(use_memory_fs=said.data_dir is None, data_dir=said.data_dir)
    for bucket in said.bucket:
        buckets.create_bucket(bucket, storage)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", said.port), partial(Handler, storage))
    print(f"listening on {server.server_address[1]}", flush=True)
    if said.until_eof:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.buffer.read()
    else:
        server.serve_forever()


if __name__ == "__main__":
    main()
