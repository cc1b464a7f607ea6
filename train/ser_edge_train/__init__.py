"""Training: corpora, splits, augmentation, networks, figures. Belongs on a workstation."""
