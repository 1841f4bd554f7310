from tests.kube.conftest import api, kube

__all__ = ["api", "kube"]
