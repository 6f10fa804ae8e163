"""A real Redis Cluster of the test's own: three masters with a replica each, on ports of 127.0.0.1."""

import pathlib

from . import redis, waiting

_MASTERS = 3
_SLOTS = 16384
# A master that is silent for so long has failed; its replica then takes over within about as much again.
_NODE_TIMEOUT = 500 * waiting.SLOWNESS


class Cluster:
    """.masters[n] has .replicas[n]; which of the two leads, changes when one is killed."""

    def __init__(self, directory):
        ports = redis.free_ports(4 * _MASTERS)
        self.nodes = [_node(pathlib.Path(directory) / f"n{at}", ports[2 * at], ports[2 * at + 1])
                      for at in range(2 * _MASTERS)]
        self.masters, self.replicas = self.nodes[:_MASTERS], self.nodes[_MASTERS:]
        self.urls = [node.tcp_url for node in self.masters]

    def start(self):
        for node in self.nodes:
            node.start()
        for at, node in enumerate(self.masters):
            node.command("CLUSTER", "ADDSLOTSRANGE", at * _SLOTS // _MASTERS,
                         (at + 1) * _SLOTS // _MASTERS - 1)
            node.command("CLUSTER", "SET-CONFIG-EPOCH", at + 1)
        for node in self.nodes[1:]:
            self.nodes[0].command("CLUSTER", "MEET", "127.0.0.1", node.port, node.bus_port)
        waiting.until(lambda: all(_info(node, "CLUSTER")["cluster_known_nodes"] == str(len(self.nodes))
                                  for node in self.nodes), "all nodes to know each other")
        for master, replica in zip(self.masters, self.replicas):
            replica.command("CLUSTER", "REPLICATE", master.command("CLUSTER", "MYID"))
        self.wait_whole()
        return self

    def wait_whole(self):
        """Until all nodes that run agree, and every replica follows its master."""
        waiting.until(lambda: all(_info(node, "CLUSTER")["cluster_state"] == "ok" for node in self.running()),
                      "the cluster to be whole", 3 * waiting.PATIENCE)
        for node in self.running():
            waiting.until(lambda n=node: leads(n) or _info(n, "replication")["master_link_status"] == "up",
                          "a replica to follow", 3 * waiting.PATIENCE)

    def wait_failover(self, at):
        """Until the replica of master `at`, which was killed, has taken over."""
        waiting.until(lambda: leads(self.replicas[at]), "the replica to take over", 3 * waiting.PATIENCE)
        self.wait_whole()

    def running(self):
        return [node for node in self.nodes if node.running()]

    def leading(self):
        return [node for node in self.running() if leads(node)]

    def names(self, pattern="*"):
        """The keys of all masters."""
        return [name for node in self.leading() for name in node.names(pattern)]

    def master_of(self, name):
        """The number of the master that a key belongs to, as they were at the start."""
        return self.running()[0].command("CLUSTER", "KEYSLOT", name) * _MASTERS // _SLOTS

    def kill(self):
        for node in self.nodes:
            node.kill()


def leads(node):
    return _info(node, "replication")["role"] == "master"


def _node(directory, port, bus_port):
    directory.mkdir()
    node = redis.Redis(directory, "--cluster-enabled", "yes", "--cluster-port", bus_port,
                       "--cluster-node-timeout", _NODE_TIMEOUT, "--cluster-config-file", "nodes.conf",
                       "--cluster-replica-validity-factor", 0, port=port)
    node.bus_port = bus_port
    return node


def _info(node, section):
    """INFO's or CLUSTER INFO's lines as a dict."""
    words = ["CLUSTER", "INFO"] if section == "CLUSTER" else ["INFO", section]
    lines = node.command(*words).decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)
