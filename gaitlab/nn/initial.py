"""Initial weights of the recognition networks."""

from torch import nn


def initialise(network: nn.Module) -> None:
    """Xavier-uniform convolutions and linear maps with zero bias; batch norm with weight N(1, 0.02) and zero bias."""
    for module in network.modules():
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)
