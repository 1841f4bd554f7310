"""The engines' HTTP servers: one application per port, which finds the pod by the address that was called."""

import asyncio

from aiohttp import web

from autoscaler.clock import Clock
from replay.simcluster import vllm
from tests.e2e.standin.workloads import Addresses, Workloads


class Pages:
    """Makes the applications; passed to `Workloads` as `listen`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, workloads: Workloads, network: Addresses) -> web.Application:
        """An application that serves the pods of one port."""

        def called(request: web.Request) -> str | None:
            """The pod whose address it is."""
            transport = request.transport
            return network.pod_at(transport.get_extra_info("sockname")[0]) if transport is not None else None

        async def stages(request: web.Request) -> web.Response:
            """As proposed upstream; and 404 by engines that do not serve it."""
            stage = workloads.stage_of(called(request) or "")
            if stage is None:
                return web.json_response({"detail": "Not Found"}, status=404)
            return web.json_response({"stage": stage, "model_ready": stage == "model_ready", "residual_delay_s": 0.0})

        async def metrics(request: web.Request) -> web.Response:
            transport, pod = request.transport, called(request)
            workload = None if pod is None else workloads.serving(pod)
            if workload is not None and workload.fault == "error":
                return web.Response(status=500, text="the engine is broken\n")
            if workload is not None and workload.fault == "hang":
                await workload.fault_changed.wait()
                workload = None
            page = None
            if workload is not None and pod is not None:
                page = workload.fleet.page(pod, self._clock.now(), workload.name)
            if page is None:
                if isinstance(transport, asyncio.WriteTransport):
                    transport.abort()
                return web.Response(status=503)
            return web.Response(body=page.encode(), headers={"Content-Type": vllm.CONTENT_TYPE})

        application = web.Application()
        application.router.add_get("/metrics", metrics)
        application.router.add_get("/readiness/stages", stages)
        return application
