"""The profile model of benches/training.rs in PyTorch, eager: the same layers, sizes, losses and optimizer.

SIGReg comes in two forms. `textbook` is the published graph, which makes a tensor of unit x slice x knot; `recurrence`
gets the cosines and sines of evenly spaced knots from the first one by angle addition, as cytonaut's own graph does.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

UNITS, BATCH, FEATURES, LATENT, WIDTH, SLICES, KNOTS, RANGE = 512, 372, 1024, 192, 512, 1024, 17, 3.0
PERTURBATIONS, CURVES, DEPTH, MLP, DROPOUT, FEATURE_DROPOUT = 280, 2, 6, 768, 0.1, 0.1


def sigreg_textbook(projected):
    knots = torch.linspace(0, RANGE, KNOTS)
    normal = torch.exp(-0.5 * knots**2)
    angles = projected.unsqueeze(-1) * knots
    miss = (torch.cos(angles).mean(0) - normal) ** 2 + torch.sin(angles).mean(0) ** 2
    return (miss * weights(normal)).sum(-1).mean() * projected.shape[0]


def sigreg_recurrence(projected):
    step = RANGE / (KNOTS - 1)
    normal = torch.exp(-0.5 * (torch.arange(KNOTS) * step) ** 2)
    weight = weights(normal)
    angle = projected * step
    sin_1, cos_1 = torch.sin(angle), torch.cos(angle)
    sin, cos = sin_1, cos_1
    total = projected.new_zeros(())
    for knot in range(1, KNOTS):
        total = total + weight[knot] * ((cos.mean(0) - normal[knot]) ** 2 + sin.mean(0) ** 2).sum()
        if knot + 1 < KNOTS:
            cos, sin = cos * cos_1 - sin * sin_1, sin * cos_1 + cos * sin_1
    return total * projected.shape[0] / projected.shape[1]


def weights(normal):
    step = RANGE / (KNOTS - 1)
    trapezoid = torch.full((KNOTS,), 2 * step)
    trapezoid[0] = trapezoid[-1] = step
    return trapezoid * normal


def directions():
    drawn = torch.randn(LATENT, SLICES)
    return drawn / drawn.norm(dim=0)


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.expand = nn.LayerNorm(width), nn.Linear(width, 2 * width)
        self.contract = nn.Linear(2 * width, width)

    def forward(self, x):
        return x + self.contract(F.gelu(self.expand(self.norm(x))))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.modulation = nn.Linear(LATENT, 3 * LATENT)
        nn.init.zeros_(self.modulation.weight), nn.init.zeros_(self.modulation.bias)
        self.norm = nn.LayerNorm(LATENT)
        self.expand, self.contract = nn.Linear(LATENT, MLP), nn.Linear(MLP, LATENT)

    def forward(self, x, encoding):
        shift, scale, gate = self.modulation(encoding).chunk(3, -1)
        modulated = F.layer_norm(x, (LATENT,), eps=1e-6) * (1 + scale) + shift
        hidden = F.dropout(F.gelu(self.expand(self.norm(modulated))), DROPOUT)
        return x + gate * F.dropout(self.contract(hidden), DROPOUT)


class Interventions(nn.Module):
    """Saturating dose responses, as in src/model/intervention.rs, for sets of one perturbation."""

    def __init__(self):
        super().__init__()
        rows = PERTURBATIONS + 1
        self.vectors = nn.Parameter(0.3 * torch.randn(rows, CURVES * LATENT))
        self.midpoint_own, self.midpoint = nn.Parameter(torch.zeros(rows, CURVES)), nn.Parameter(torch.zeros(1, CURVES))
        self.slope_own, self.slope = nn.Parameter(torch.zeros(rows, CURVES)), nn.Parameter(torch.zeros(1, CURVES))
        self.kind, self.context = nn.Parameter(0.1 * torch.randn(5, LATENT)), nn.Parameter(torch.zeros(2, LATENT))
        self.duration, self.anchor = nn.Parameter(torch.zeros(1, LATENT)), nn.Parameter(0.3 * torch.randn(3, LATENT))
        self.mix_in = nn.Linear(LATENT, 2 * LATENT, bias=False)
        self.mix_out = nn.Linear(2 * LATENT, LATENT, bias=False)
        self.register_buffer("start", torch.tensor([-0.5, 0.5]).repeat(rows, 1))

    def forward(self, perturbation, log_dose):
        midpoint = self.start[perturbation] + self.midpoint_own[perturbation] + self.midpoint
        slope = (self.slope_own[perturbation] + self.slope).clamp(-3, 3).exp()
        response = torch.sigmoid(slope * (log_dose[:, None] - midpoint))
        vectors = self.vectors[perturbation].unflatten(1, (CURVES, LATENT))
        encoded = (vectors * response[..., None]).sum(1) + self.kind[0] * response.mean(1, keepdim=True)
        encoded = encoded * (1 + torch.tanh(torch.zeros(len(log_dose), 1) * self.duration))
        encoded = encoded + self.mix_out(F.silu(self.mix_in(encoded)))
        return encoded + self.context[0] + torch.zeros(len(log_dose), 3) @ self.anchor


class World(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(FEATURES, WIDTH), Residual(WIDTH), nn.LayerNorm(WIDTH))
        self.projector = nn.Sequential(
            nn.Linear(WIDTH, WIDTH), nn.BatchNorm1d(WIDTH), nn.GELU(), nn.Linear(WIDTH, LATENT)
        )
        self.interventions = Interventions()
        self.blocks = nn.ModuleList(Block() for _ in range(DEPTH))

    def forward(self, profiles, start, target, perturbation, log_dose):
        units = self.projector(self.encoder(F.dropout(profiles, FEATURE_DROPOUT)))
        first = (start @ units).unsqueeze(1)
        encoding = F.silu(self.interventions(perturbation, log_dose)).unsqueeze(1)
        x = first
        for block in self.blocks:
            x = block(x, encoding)
        predicted = x.squeeze(1)
        return units, predicted, target @ units


class Training:
    """Steps on batches gathered from a table of 10,752 wells: 372 treated wells and 140 controls."""

    def __init__(self, sigreg):
        torch.manual_seed(0)
        self.sigreg = {"textbook": sigreg_textbook, "recurrence": sigreg_recurrence}[sigreg]
        self.model = World()
        # `fused` is the fastest AdamW that PyTorch has on the CPU.
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=2e-3, weight_decay=1e-3, fused=True)
        self.wells = torch.randn(10752, FEATURES)
        controls = UNITS - BATCH
        self.start, self.target = torch.zeros(BATCH, UNITS), torch.eye(BATCH, UNITS)
        for row in range(BATCH):
            bag = BATCH + 5 * (row % (controls // 5))
            self.start[row, bag : bag + 5] = 1 / 5

    def step(self):
        rows = torch.randperm(len(self.wells))[:UNITS]
        perturbation = torch.randint(0, PERTURBATIONS, (BATCH,))
        log_dose = torch.randint(-4, 4, (BATCH,)) * math.log10(3)
        units, predicted, target = self.model(self.wells[rows], self.start, self.target, perturbation, log_dose)
        loss = F.mse_loss(predicted, target) + 0.05 * 128 / UNITS * self.sigreg(units @ directions())
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()


class SigregAlone:
    """Forward and backward of SIGReg for 512 latents, projection included."""

    def __init__(self, sigreg):
        self.sigreg = {"textbook": sigreg_textbook, "recurrence": sigreg_recurrence}[sigreg]
        self.latents = (torch.arange(UNITS * LATENT) * 0.7).sin().mul(1.4).view(UNITS, LATENT).requires_grad_()
        self.directions = directions()

    def step(self):
        self.latents.grad = None
        value = self.sigreg(self.latents @ self.directions)
        value.backward()
        return value.item()
