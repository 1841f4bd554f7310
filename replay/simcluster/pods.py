"""The pods' HTTP servers: one application for all, which finds the pod by the address that was called."""

import asyncio

from aiohttp import web

from replay.simcluster import vllm
from replay.simcluster.controllers import Controllers
from replay.simcluster.network import PodNetwork


def application(network: PodNetwork, controllers: Controllers, path: str, model: str) -> web.Application:
    """Serves each pod's metrics at `path`; the connection to a pod that is gone is dropped."""

    async def metrics(request: web.Request) -> web.Response:
        controllers.sync()
        transport = request.transport
        address = transport.get_extra_info("sockname")[0] if transport is not None else ""
        sample = controllers.samples.get(network.pod_at(address) or "")
        if sample is None:
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
            return web.Response(status=503)
        return web.Response(body=vllm.page(sample, model).encode(), headers={"Content-Type": vllm.CONTENT_TYPE})

    pods = web.Application()
    pods.router.add_get(path, metrics)
    return pods
