"""The image models of benches/images.rs in PyTorch, eager: the same layers, sizes, losses and optimizer.

Attention is PyTorch's own fused one behind one map for queries, keys and values; patches are cut by reshaping, which is
faster on the CPU than a convolution.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

import model as profiles

POOL, UNITS, TREATED, LATENT, HIDDEN = 256, 64, 48, profiles.LATENT, 2048


class Layer(nn.Module):
    def __init__(self, width, heads, mlp):
        super().__init__()
        self.heads = heads
        self.attention_norm, self.norm = nn.LayerNorm(width, eps=1e-12), nn.LayerNorm(width, eps=1e-12)
        self.qkv, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.expand, self.contract = nn.Linear(width, mlp), nn.Linear(mlp, width)

    def forward(self, x):
        qkv = self.qkv(self.attention_norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        x = x + self.output(F.scaled_dot_product_attention(*qkv.unbind(0)).transpose(1, 2).flatten(2))
        return x + self.contract(F.gelu(self.expand(self.norm(x))))


class Vit(nn.Module):
    def __init__(self, channels, size, patch, width, depth, heads, mlp, has_class):
        super().__init__()
        self.cut = (channels, size // patch, patch)
        tokens = (size // patch) ** 2 + has_class
        self.patches = nn.Linear(channels * patch * patch, width)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, width)) if has_class else None
        self.positions = nn.Parameter(0.02 * torch.randn(1, tokens, width))
        self.layers = nn.Sequential(*(Layer(width, heads, mlp) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-12)

    def forward(self, crops):
        channels, side, patch = self.cut
        cut = crops.view(len(crops), channels, side, patch, side, patch).permute(0, 2, 4, 1, 3, 5)
        x = self.patches(cut.reshape(len(crops), side * side, -1))
        if self.token is not None:
            x = torch.cat([self.token.expand(len(crops), -1, -1), x], dim=1)
        x = self.norm(self.layers(x + self.positions))
        return x.mean(1) if self.token is None else x[:, 0]


class Conv(nn.Module):
    def __init__(self, channels, size, widths, width):
        super().__init__()
        stages = []
        for before, after in zip([channels, *widths], widths):
            stages += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GELU()]
            size = -(-size // 2)
        self.stages, self.output = nn.Sequential(*stages), nn.Linear(widths[-1] * size * size, width)
        self.norm, self.channels = nn.LayerNorm(width), channels

    def forward(self, crops):
        side = math.isqrt(crops.shape[1] // self.channels)
        return self.norm(self.output(self.stages(crops.view(len(crops), self.channels, side, side)).flatten(1)))


class World(nn.Module):
    def __init__(self, encoder, width):
        super().__init__()
        self.encoder = encoder
        self.projector = nn.Sequential(
            nn.Linear(width, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.GELU(), nn.Linear(HIDDEN, LATENT)
        )
        self.interventions = profiles.Interventions()
        self.blocks = nn.ModuleList(profiles.Block() for _ in range(profiles.DEPTH))

    def forward(self, crops, start, target, perturbation, log_dose):
        units = self.projector(self.encoder(crops))
        first = (start @ units).unsqueeze(1)
        encoding = F.silu(self.interventions(perturbation, log_dose)).unsqueeze(1)
        x = first
        for block in self.blocks:
            x = block(x, encoding)
        predicted = x.squeeze(1)
        return units, predicted, target @ units


class Training:
    """Steps on batches gathered from a pool of 256 crops: 48 treated and 16 controls."""

    def __init__(self, which):
        torch.manual_seed(0)
        encoder, width, channels, size = {
            "small": lambda: (Vit(5, 96, 16, 192, 6, 3, 768, False), 192, 5, 96),
            "patch16": lambda: (Vit(5, 96, 16, 192, 12, 3, 768, True), 192, 5, 96),
            "patch8": lambda: (Vit(5, 96, 8, 192, 12, 3, 768, True), 192, 5, 96),
            "attention": lambda: (Vit(2, 48, 8, 128, 4, 4, 256, False), 128, 2, 48),
            "conv": lambda: (Conv(2, 48, [32, 64, 128], 128), 128, 2, 48),
        }[which]()
        self.model = World(encoder, width)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=2e-3, weight_decay=1e-3, fused=True)
        self.crops = torch.randn(POOL, channels * size * size)
        self.start, self.target = torch.zeros(TREATED, UNITS), torch.eye(TREATED, UNITS)
        for row in range(TREATED):
            for control in range(4):
                self.start[row, TREATED + (row * 4 + control) % (UNITS - TREATED)] = 0.25

    def step(self):
        rows = torch.randperm(POOL)[:UNITS]
        perturbation = torch.randint(0, profiles.PERTURBATIONS, (TREATED,))
        log_dose = torch.randint(-4, 4, (TREATED,)) * math.log10(3)
        units, predicted, target = self.model(self.crops[rows], self.start, self.target, perturbation, log_dose)
        regularizer = profiles.sigreg_recurrence(units @ profiles.directions())
        loss = F.mse_loss(predicted, target) + 0.05 * 128 / UNITS * regularizer
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()
