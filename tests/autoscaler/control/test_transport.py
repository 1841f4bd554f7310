"""What a policy's pods are reached with, read from its namespace: in time, again when it rotates, and refused in a sentence."""

import asyncio
import base64
from typing import Any

import pytest

from autoscaler.kube.client import Kube
from autoscaler.kube.objects import Key
from autoscaler.sources.errors import SourceError
from autoscaler.sources.transport import Transport
from tests.autoscaler.control.controller import Controller, a_controller, spec
from tests.support.certificates import Authority
from tests.support.fake_api import DROP, FakeApi, Fault, answer, status

CA = Authority("the cluster's own").certificate.decode()
TOKEN = "s3cret-of-the-tenant"
SECRET, CONFIG_MAP = "GET /api/v1/namespaces/ns/secrets/token", "GET /api/v1/namespaces/ns/configmaps/ca"
METRICS = {
    "scheme": "https",
    "ports": [8000, 8001],
    "tls": {"caConfigMap": {"name": "ca"}, "serverName": "chat.ns.svc"},
    "bearerTokenSecret": {"name": "token"},
    "headers": [{"name": "X-Team", "value": "chat"}],
}


def secret(text: str) -> Fault:
    return answer({"data": {"token": base64.b64encode(text.encode()).decode()}})


def config_map(text: str) -> Fault:
    return answer({"data": {"ca.crt": text}})


def set_answers(api: FakeApi, **answers: Fault) -> None:
    api.standing[:] = [({"secret": SECRET, "ca": CONFIG_MAP}[name], given) for name, given in answers.items()]


def transport(controller: Controller) -> Transport | SourceError:
    return controller.runtime("a").transport


async def start(controller: Controller, **metrics: Any) -> None:
    await controller.target("a", 1)
    await controller.policy("a", spec("a", metrics={**METRICS, **metrics}))
    await controller.decided("a")


async def test_pods_are_reached_by_what_the_namespace_gives(api: FakeApi, kube: Kube) -> None:
    set_answers(api, secret=secret(TOKEN + "\n"), ca=config_map(CA))
    async with a_controller(api, kube) as controller:
        await start(controller)
        assert transport(controller) == Transport(CA, "chat.ns.svc", bearer=TOKEN, headers=(("X-Team", "chat"),))
        address = controller.always.scraper._addresses[Key("ns", "a-0")]
        assert address.urls == ("https://127.0.0.1:8000/metrics", "https://127.0.0.1:8001/metrics")
        assert address.transport is transport(controller)


async def test_a_token_that_rotates_is_read_again_within_a_minute_and_not_at_every_turn(
    api: FakeApi, kube: Kube
) -> None:
    set_answers(api, secret=secret("first"), ca=config_map(CA))
    async with a_controller(api, kube) as controller:
        await start(controller)
        kept = transport(controller)
        await controller.clock.advance(30.0)
        await asyncio.sleep(0.02)
        assert sum(request.startswith(SECRET) for request in api.requests) == 1
        assert transport(controller) is kept
        set_answers(api, secret=secret("second"), ca=config_map(CA))
        before = controller.clock.now()
        await controller.until(lambda: getattr(transport(controller), "bearer", "") == "second", pause_seconds=0.005)
        assert controller.clock.now() - before <= 45.0
        set_answers(api, secret=DROP, ca=DROP)  # the API is away: what is known stays
        await controller.until(lambda: controller.clock.now() - before > 150.0)
        assert getattr(transport(controller), "bearer", "") == "second"
        set_answers(api, secret=status(403, "Forbidden"), ca=config_map(CA))  # the Role is gone, and so is the right
        await controller.until(lambda: isinstance(transport(controller), SourceError))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"secret": status(403, "Forbidden")}, "Outrider may not read Secret token in namespace ns; bind a Role there"),
        ({"secret": status(404, "NotFound")}, "there is no Secret token in namespace ns; create it or correct"),
        (
            {"secret": answer({"data": {"other": ""}})},
            "Secret token has no key token; correct spec.metrics.bearerTokenSecret",
        ),
        ({"secret": answer({})}, "Secret token has no key token"),
        ({"secret": secret("two words of " + TOKEN)}, "key token of Secret token is not a bearer token"),
        ({"secret": answer({"data": {"token": "%%%"}})}, "key token of Secret token is not a bearer token"),
        ({"ca": status(403, "Forbidden")}, "Outrider may not read ConfigMap ca in namespace ns"),
        ({"ca": config_map("no certificate")}, "key ca.crt of ConfigMap ca: no certificate in PEM format"),
        ({"ca": answer({"data": {"ca.crt": None}})}, "key ca.crt of ConfigMap ca: no certificate in PEM format"),
        ({"ca": status(500, "InternalError")}, "500"),
    ],
)
async def test_what_cannot_be_used_is_a_problem_in_the_status_and_no_pod_is_asked(
    api: FakeApi, kube: Kube, given: dict[str, Fault], problem: str
) -> None:
    set_answers(api, **{"secret": secret(TOKEN), "ca": config_map(CA), **given})
    async with a_controller(api, kube) as controller:
        await start(controller)
        await controller.until(lambda: "MetricsRead" in controller.conditions("a"))
        condition = controller.conditions("a")["MetricsRead"]
        assert (condition["status"], condition["reason"]) == ("False", "NotReadable")
        assert problem in condition["message"]
        assert "two words" not in condition["message"]
        assert isinstance(controller.always.scraper._addresses[Key("ns", "a-0")].transport, SourceError)
        assert controller.desired("a") == 1


async def test_an_edit_is_followed_at_the_next_turn(api: FakeApi, kube: Kube) -> None:
    async with a_controller(api, kube) as controller:
        await controller.target("a", 1)
        await controller.policy("a", spec("a"))
        await controller.decided("a")
        assert transport(controller) == Transport()
        await controller.policy("a", spec("a", metrics={"scheme": "https", "tls": {"insecureSkipVerify": True}}))
        await controller.until(lambda: transport(controller) == Transport(skip_verify=True))


async def test_no_server_that_an_edit_names_gets_the_token_of_before(api: FakeApi, kube: Kube) -> None:
    other = "GET /api/v1/namespaces/ns/secrets/other"
    set_answers(api, secret=secret("of-8443"), ca=config_map(CA))
    api.standing.append((other, secret("of-9443")))
    async with a_controller(api, kube) as controller:
        await start(controller, ports=[8443])
        addresses = controller.always.scraper._addresses
        asked: list[tuple[str, str | None]] = []

        def edited() -> bool:
            (url,), found = addresses[Key("ns", "a-0")].urls, addresses[Key("ns", "a-0")].transport
            asked.append((url, getattr(found, "bearer", None)))
            return asked[-1] == ("https://127.0.0.1:9443/metrics", "of-9443")

        before = controller.clock.now()
        await controller.policy(
            "a", spec("a", metrics={**METRICS, "ports": [9443], "bearerTokenSecret": {"name": "other"}})
        )
        await controller.until(edited, pause_seconds=0.02)
        assert ("https://127.0.0.1:9443/metrics", "of-8443") not in asked
        assert controller.clock.now() - before <= 5.0, "an edit does not wait for the next turn"
