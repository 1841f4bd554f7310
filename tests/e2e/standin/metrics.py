"""The engines' HTTP servers: one application for each port, which knows a pod by the address that was called."""

import asyncio

from aiohttp import web

from autoscaler.clock import Clock
from replay.simcluster import vllm
from tests.e2e.standin.services import Addresses, Services


class Pages:
    """Makes the applications; a call of it is `Services.listen`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, services: Services, network: Addresses) -> web.Application:
        """An application that serves the pods of one port."""

        async def metrics(request: web.Request) -> web.Response:
            transport = request.transport
            pod = network.pod_at(transport.get_extra_info("sockname")[0]) if transport is not None else None
            service = None if pod is None else services.serving(pod)
            if service is not None and service.fault == "error":
                return web.Response(status=500, text="the engine is broken\n")
            if service is not None and service.fault == "hang":
                await service.fault_changed.wait()
                service = None
            if service is None or pod is None or (sample := service.fleet.sample(pod, self._clock.now())) is None:
                if isinstance(transport, asyncio.WriteTransport):
                    transport.abort()
                return web.Response(status=503)
            page = vllm.page(sample, service.name)
            return web.Response(body=page.encode(), headers={"Content-Type": vllm.CONTENT_TYPE})

        application = web.Application()
        application.router.add_get("/metrics", metrics)
        return application
