"""The pods' HTTP servers: one application for all, which finds the pod by the address that was called."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from replay.simcluster import vllm
from replay.simcluster.controllers import Controllers
from replay.simcluster.network import PodNetwork


def application(
    network: PodNetwork, controllers: Controllers, path: str, scraped: Callable[[str], None]
) -> web.Application:
    """Serves each pod's metrics at `path` and calls `scraped` with its name; the connection to a pod that is gone is dropped."""

    async def metrics(request: web.Request) -> web.Response:
        controllers.sync()
        transport = request.transport
        address = transport.get_extra_info("sockname")[0] if transport is not None else ""
        pod = network.pod_at(address) or ""
        shown = controllers.serving(pod)
        if shown is None:
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
            return web.Response(status=503)
        scraped(pod)
        page = vllm.page(*shown)
        return web.Response(body=page.encode(), headers={"Content-Type": vllm.CONTENT_TYPE})

    pods = web.Application()
    pods.router.add_get(path, metrics)
    return pods
