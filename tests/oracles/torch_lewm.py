"""A tiny LeWorldModel in PyTorch: weights, inputs, what every layer makes of them, gradients, and steps of AdamW.

Run once by hand: `python torch_lewm.py` writes `torch_lewm.safetensors` and `torch_lewm.json` (versions) beside itself.
The architecture is written here from its description (docs/model.md); modules are named so that `state_dict` has the names of
the published checkpoints. Everything is computed in float64 from weights and inputs that are exact in float32.
"""

import json
import math
import struct
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

CHANNELS, SIZE, PATCH, WIDTH, HEADS, MLP, DEPTH = 2, 12, 4, 12, 3, 20, 2
PROJECTOR, ACTION, SMOOTHED, ACTION_HIDDEN = 18, 5, 4, 16
P_HEADS, P_HEAD_WIDTH, P_MLP, P_DEPTH, HISTORY = 2, 5, 14, 2, 3
BATCH, TIME, SLICES, KNOTS, RANGE, LAMBDA = 5, 4, 6, 17, 3.0, 0.09


class Names(nn.Module):
    """Children by name, so that paths can hold dots."""

    def __init__(self, **children):
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)


class Embeddings(nn.Module):
    def __init__(self):
        super().__init__()
        tokens = (SIZE // PATCH) ** 2 + 1
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.position_embeddings = nn.Parameter(torch.zeros(1, tokens, WIDTH))
        self.patch_embeddings = Names(projection=nn.Conv2d(CHANNELS, WIDTH, PATCH, stride=PATCH))

    def forward(self, pictures):
        patches = self.patch_embeddings.projection(pictures).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(pictures), -1, -1), patches], dim=1)
        return tokens + self.position_embeddings


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        qkv = Names(**{name: nn.Linear(WIDTH, WIDTH) for name in ("query", "key", "value")})
        self.attention = Names(attention=qkv, output=Names(dense=nn.Linear(WIDTH, WIDTH)))
        self.intermediate = Names(dense=nn.Linear(WIDTH, MLP))
        self.output = Names(dense=nn.Linear(MLP, WIDTH))
        self.layernorm_before = nn.LayerNorm(WIDTH, eps=1e-12)
        self.layernorm_after = nn.LayerNorm(WIDTH, eps=1e-12)

    def forward(self, x):
        normed, qkv = self.layernorm_before(x), self.attention.attention
        split = lambda linear: linear(normed).unflatten(-1, (HEADS, -1)).transpose(1, 2)
        scores = split(qkv.query) @ split(qkv.key).transpose(2, 3) / math.sqrt(WIDTH // HEADS)
        mixed = (scores.softmax(-1) @ split(qkv.value)).transpose(1, 2).flatten(2)
        x = x + self.attention.output.dense(mixed)
        return x + self.output.dense(F.gelu(self.intermediate.dense(self.layernorm_after(x))))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embeddings = Embeddings()
        self.encoder = Names(layer=nn.ModuleList(Layer() for _ in range(DEPTH)))
        self.layernorm = nn.LayerNorm(WIDTH, eps=1e-12)

    def layers(self, pictures):
        x = [self.embeddings(pictures)]
        for layer in self.encoder.layer:
            x.append(layer(x[-1]))
        return [*x, self.layernorm(x[-1])]


class Projector(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(WIDTH, PROJECTOR), nn.BatchNorm1d(PROJECTOR), nn.GELU(), nn.Linear(PROJECTOR, WIDTH)
        )

    def forward(self, x):
        return self.net(x)


class Actions(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch_embed = nn.Conv1d(ACTION, SMOOTHED, 1)
        self.embed = nn.Sequential(nn.Linear(SMOOTHED, ACTION_HIDDEN), nn.SiLU(), nn.Linear(ACTION_HIDDEN, WIDTH))

    def forward(self, actions):
        return self.embed(self.patch_embed(actions.transpose(1, 2)).transpose(1, 2))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        inner = P_HEADS * P_HEAD_WIDTH
        self.norm = nn.LayerNorm(WIDTH)
        self.to_qkv = nn.Linear(WIDTH, 3 * inner, bias=False)
        self.to_out = nn.Sequential(nn.Linear(inner, WIDTH))

    def forward(self, x):
        time = x.shape[1]
        parts = self.to_qkv(self.norm(x)).chunk(3, dim=-1)
        query, key, value = (part.unflatten(-1, (P_HEADS, -1)).transpose(1, 2) for part in parts)
        scores = query @ key.transpose(2, 3) / math.sqrt(P_HEAD_WIDTH)
        later = torch.ones(time, time, dtype=torch.bool).triu(1)
        mixed = scores.masked_fill(later, -torch.inf).softmax(-1) @ value
        return self.to_out(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn = Attention()
        # Dropout stands between the layers in the released code; here it is the identity that keeps their numbers.
        net = [nn.LayerNorm(WIDTH), nn.Linear(WIDTH, P_MLP), nn.GELU(), nn.Identity(), nn.Linear(P_MLP, WIDTH)]
        self.mlp = Names(net=nn.Sequential(*net))
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(WIDTH, 6 * WIDTH))

    def forward(self, x, encoding):
        shift, scale, gate, shift_2, scale_2, gate_2 = self.adaLN_modulation(encoding).chunk(6, dim=-1)
        plain = lambda x: F.layer_norm(x, (WIDTH,), eps=1e-6)
        x = x + gate * self.attn(plain(x) * (1 + scale) + shift)
        return x + gate_2 * self.mlp.net(plain(x) * (1 + scale_2) + shift_2)


class Predictor(nn.Module):
    def __init__(self):
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.zeros(1, HISTORY, WIDTH))
        self.transformer = Names(norm=nn.LayerNorm(WIDTH), layers=nn.ModuleList(Block() for _ in range(P_DEPTH)))

    def layers(self, latents, encoding):
        x = [latents + self.pos_embedding]
        for block in self.transformer.layers:
            x.append(block(x[-1], encoding))
        return [*x, self.transformer.norm(x[-1])]


class World(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.projector, self.pred_proj = Encoder(), Projector(), Projector()
        self.action_encoder, self.predictor = Actions(), Predictor()


def sigreg(latents, directions):
    """Over the batch, mean over slices and over the steps of time; `latents` is [time, batch, latent]."""
    knots = torch.linspace(0, RANGE, KNOTS, dtype=torch.float64)
    step = RANGE / (KNOTS - 1)
    trapezoid = torch.full((KNOTS,), 2 * step, dtype=torch.float64)
    trapezoid[0] = trapezoid[-1] = step
    normal = torch.exp(-0.5 * knots**2)
    angles = (latents @ directions).unsqueeze(-1) * knots
    miss = (torch.cos(angles).mean(1) - normal) ** 2 + torch.sin(angles).mean(1) ** 2
    return ((miss * trapezoid * normal).sum(-1) * latents.shape[1]).mean()


def single(*shape, scale=1.0):
    """Normal numbers that float32 holds exactly."""
    return (scale * torch.randn(*shape)).float().double()


def filled():
    world = World().double()
    for name, tensor in world.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        drawn = single(*tensor.shape, scale=0.35)
        if name.endswith("running_var") or tensor.dim() == 1 and name.endswith("weight"):
            drawn = drawn + 1.0 if not name.endswith("running_var") else (drawn.abs() + 0.5)
        tensor.copy_(drawn.float().double())
    return world


def adamw(tensors):
    """Five clipped steps of a linear map on squared outputs."""
    linear = nn.Linear(4, 3).double()
    with torch.no_grad():
        linear.weight.copy_(single(3, 4)), linear.bias.copy_(single(3))
    optimizer = torch.optim.AdamW(linear.parameters(), lr=0.05, weight_decay=0.1)
    tensors["adamw.weight.0"], tensors["adamw.bias.0"] = linear.weight.detach().T.clone(), linear.bias.detach().clone()
    for step in range(1, 6):
        inputs = single(6, 4)
        loss = (linear(inputs) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(linear.parameters(), 1.0)
        optimizer.step()
        tensors[f"adamw.input.{step}"] = inputs
        tensors[f"adamw.weight.{step}"] = linear.weight.detach().T.clone()
        tensors[f"adamw.bias.{step}"] = linear.bias.detach().clone()


def main():
    torch.manual_seed(0)
    world, tensors = filled(), {}
    for name, tensor in world.state_dict().items():
        tensors[f"weights.{name}"] = tensor.detach().clone()
    pictures = single(BATCH * TIME, CHANNELS, SIZE, SIZE)
    actions = single(BATCH, TIME, ACTION)
    directions = single(WIDTH, SLICES)
    directions = (directions / directions.norm(dim=0)).float().double()
    tensors |= {"pictures": pictures.flatten(1), "actions": actions, "directions": directions}

    world.train()
    layers = world.encoder.layers(pictures)
    for index, layer in enumerate(layers):
        tensors[f"encoder.{index}"] = layer.flatten(0, 1)
    latents = world.projector(layers[-1][:, 0])
    latents.retain_grad()
    tensors["latents"] = latents
    in_time = latents.unflatten(0, (BATCH, TIME))
    encoding = world.action_encoder(actions[:, :HISTORY])
    tensors["encoding"] = encoding
    steps = world.predictor.layers(in_time[:, :HISTORY], encoding)
    for index, layer in enumerate(steps):
        tensors[f"predictor.{index}"] = layer.flatten(0, 1)
    predicted = world.pred_proj(steps[-1].flatten(0, 1)).unflatten(0, (BATCH, HISTORY))
    tensors["predicted"] = predicted
    prediction = F.mse_loss(predicted, in_time[:, 1:])
    regularizer = sigreg(in_time.transpose(0, 1), directions)
    tensors |= {"prediction": prediction.view(1), "sigreg": regularizer.view(1)}
    tensors["sigreg_gradient"] = torch.autograd.grad(regularizer, latents, retain_graph=True)[0]
    (prediction + LAMBDA * regularizer).backward()
    for name, tensor in world.named_parameters():
        tensors[f"gradient.{name}"] = tensor.grad
    for name in ("projector", "pred_proj"):
        norm = getattr(world, name).net[1]
        tensors[f"after.{name}.running_mean"], tensors[f"after.{name}.running_var"] = norm.running_mean, norm.running_var

    world.eval()
    tensors["latents_in_use"] = world.projector(world.encoder.layers(pictures)[-1][:, 0])
    adamw(tensors)
    here = Path(__file__).parent
    versions = {"torch": torch.__version__, "python": sys.version.split()[0]}
    (here / "torch_lewm.json").write_text(json.dumps({"versions": versions}, indent=1) + "\n")
    save(here / "torch_lewm.safetensors", tensors)
    print(versions, prediction.item(), regularizer.item())


def save(path, tensors):
    """The safetensors format: length of the header, header, values."""
    header, data = {}, b""
    for name, tensor in sorted(tensors.items()):
        kind, code = ("I64", torch.int64) if tensor.dtype == torch.int64 else ("F32", torch.float32)
        values = tensor.detach().to(code).contiguous().numpy().tobytes()
        header[name] = {
            "dtype": kind,
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(values)],
        }
        data += values
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


main()
