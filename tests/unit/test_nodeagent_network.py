"""Addresses of pods: no two agents of a machine give out the same."""

from sparkiot_sim.nodeagent.network import Network


def prefix(network: Network) -> str:
    return ".".join(network.free_address(()).split(".")[:2])


def test_agents_of_one_machine_hold_ranges_of_their_own() -> None:
    networks = [Network() for _ in range(20)]
    try:
        assert len({prefix(network) for network in networks}) == 20
    finally:
        for network in networks:
            network.close()


def test_an_address_in_use_is_passed_over_and_comes_again_late() -> None:
    network = Network()
    try:
        first, second = network.free_address(()), network.free_address(())
        assert first != second
        seen = {network.free_address({first, second}) for _ in range(65_000)}
        assert not seen & {first, second}
        assert len(seen) == 64_998
        assert all(int(part) <= 255 for address in seen for part in address.split("."))
    finally:
        network.close()
