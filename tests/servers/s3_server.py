"""A server of S3 on loopback: moto's, which speaks S3's own protocol over real sockets."""

from __future__ import annotations

from typing import Any, final

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "bucket"
SECRET = "wJalrXUtnFEMI-a-secret"


@final
class S3Server:
    """The server, running while it is entered, with one bucket, which is empty."""

    def __init__(self, bucket: str = BUCKET) -> None:
        self.bucket = bucket

    def __enter__(self) -> S3Server:
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id="testing",
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )
        self.client.create_bucket(Bucket=self.bucket)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._server.stop()

    @property
    def environment(self) -> dict[str, str]:
        """What a user sets to reach it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def put(self, key: str, data: bytes) -> str:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=data)
        return f"s3://{self.bucket}/{key}"

    def get(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def clear(self) -> None:
        for key in self.listed():
            self.client.delete_object(Bucket=self.bucket, Key=key)

    def listed(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.bucket)
        return [entry["Key"] for entry in found.get("Contents", ())]
