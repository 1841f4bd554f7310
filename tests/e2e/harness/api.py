"""A plain client of the API server: raw JSON in and out, as its administrator."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import requests
import yaml

Json = dict[str, Any]
TIMEOUT_SECONDS = 30.0


class ApiError(Exception):
    """A refusal by the API server: the HTTP code, the server's message and its causes."""

    def __init__(self, request: str, status: int, text: str, causes: list[Json]) -> None:
        super().__init__(f"{request}: {status} {text}")
        self.status, self.text, self.causes = status, text, causes


class Api:
    """Paths are as in the API reference, `/api/v1/namespaces/NS/pods/NAME`. Raises ApiError and requests' own."""

    def __init__(self, url: str, authority: Path, certificate: tuple[Path, Path]) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False  # REQUESTS_CA_BUNDLE would win over the cluster's own authority
        self._session.verify = str(authority)
        self._session.cert = (str(certificate[0]), str(certificate[1]))
        self._plural = cache(self._ask_plural)

    def ask(self, method: str, path: str, body: object = None, content: str = "application/json") -> Any:
        """Make one request; returns the response as JSON, or as text if it is not JSON."""
        data = None if body is None else json.dumps(body)
        answer = self._session.request(
            method, self.url + path, data=data, headers={"Content-Type": content}, timeout=TIMEOUT_SECONDS
        )
        if not answer.ok:
            raise ApiError(f"{method} {path}", answer.status_code, *_refusal(answer))
        return answer.json() if "json" in answer.headers.get("Content-Type", "") else answer.text

    def get(self, path: str) -> Json:
        return cast(Json, self.ask("GET", path))

    def get_or_none(self, path: str) -> Json | None:
        try:
            return self.get(path)
        except ApiError as error:
            if error.status == requests.codes.not_found:
                return None
            raise

    def items(self, path: str, selector: str = "") -> list[Json]:
        return cast(list[Json], self.get(f"{path}?labelSelector={quote(selector)}")["items"])

    def post(self, path: str, body: Mapping[str, Any]) -> Json:
        return cast(Json, self.ask("POST", path, body))

    def patch(self, path: str, body: object, kind: str = "merge") -> Json:
        return cast(Json, self.ask("PATCH", path, body, f"application/{kind}-patch+json"))

    def delete(self, path: str, body: Mapping[str, Any] | None = None) -> None:
        """Delete an object, if it exists."""
        try:
            self.ask("DELETE", path, body)
        except ApiError as error:
            if error.status != requests.codes.not_found:
                raise

    def apply(self, *manifests: Mapping[str, Any] | Path, namespace: str | None = None) -> list[Json]:
        """Server-side apply of objects, YAML files or folders of them; returns the objects as stored."""
        return [self._apply(one, namespace) for given in manifests for one in _objects(given)]

    def path(self, manifest: Mapping[str, Any], namespace: str | None = None) -> str:
        """The path of an object."""
        version, kind = manifest["apiVersion"], manifest["kind"]
        plural, namespaced = self._plural(version, kind)
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        where = manifest["metadata"].get("namespace") or namespace or "default"
        inside = f"/namespaces/{where}" if namespaced else ""
        return f"{root}{inside}/{plural}/{manifest['metadata']['name']}"

    def _apply(self, manifest: Mapping[str, Any], namespace: str | None) -> Json:
        path = self.path(manifest, namespace)
        applied = f"{path}?fieldManager=tests&force=true"
        return cast(Json, self.ask("PATCH", applied, manifest, "application/apply-patch+yaml"))

    def _ask_plural(self, version: str, kind: str) -> tuple[str, bool]:
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        for entry in self.get(root)["resources"]:
            if entry["kind"] == kind and "/" not in entry["name"]:
                return entry["name"], entry["namespaced"]
        raise LookupError(f"the server does not serve {kind} in {version}")


def _objects(given: Mapping[str, Any] | Path) -> list[Mapping[str, Any]]:
    if not isinstance(given, Path):
        return [given]
    files = sorted(given.glob("*.yaml")) if given.is_dir() else [given]
    return [one for file in files for one in yaml.safe_load_all(file.read_text()) if one]


def _refusal(answer: requests.Response) -> tuple[str, list[Json]]:
    try:
        status = answer.json()
        return status["message"], (status.get("details") or {}).get("causes") or []
    except (ValueError, KeyError, TypeError, AttributeError):
        return answer.text, []
