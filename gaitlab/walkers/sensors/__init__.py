"""What stands beside the path: cameras, a spinning LiDAR, a keypoint detector. Bodies are capsules; `observe` puts all together."""
