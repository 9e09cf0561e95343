"""What runs are given: the network folder, named by CONCORD_NETWORK and read only when a run asks for it.

What belongs here: resources. What does not: any path or secret read at import.
"""

from pathlib import Path

import dagster as dg

from assets.run_context import NetworkRoom

NETWORK_VARIABLE = "CONCORD_NETWORK"


class NetworkResource(dg.ConfigurableResource[NetworkRoom]):
    """The network folder that a run works on."""

    root: str

    def create_resource(self, context: dg.InitResourceContext) -> NetworkRoom:
        """Hand out the room; declarations are read when an asset first needs them."""
        del context
        return NetworkRoom(Path(self.root))


def network_resource() -> NetworkResource:
    """Lazy: definitions load without a network."""
    return NetworkResource(root=dg.EnvVar(NETWORK_VARIABLE))
