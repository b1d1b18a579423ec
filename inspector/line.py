"""THE WALK: from a frame to an inspection, readable top to bottom.

What it is: what happens to one picture, in order - small picture, part, health, patch,
measurements and codes, model, findings, verdict.
What it is not: which part the picture shows, or what follows from the verdict (`passage`). Line thread; one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from inspector.calibrated import Plane
from inspector.clock import perf_ns
from inspector.config import LineConfig
from inspector.decision import judge, sorter_of
from inspector.errors import ConfigError, ImageError, ModelError
from inspector.inference.heat import HeatMap, heat_map
from inspector.inference.outputs import Affine, Regions, find_defects, make_regions
from inspector.inference.runner import FloatMap, Runner, read_checked
from inspector.recipe import Code, Recipe
from inspector.types import CodeRead, Defect, Frame, Inspection, Measurement, Pixels, Pose, Reason, Verdict
from inspector.vision.codes import CodeReader
from inspector.vision.health import check
from inspector.vision.locate import Locator, shrink
from inspector.vision.measure import Measurer
from inspector.vision.patch import PatchMaker, PatchSpec, load_mask
from inspector.vision.reference import Reference
from inspector.vision.values import out_of_tolerance


class Line:
    """One recipe, loaded and ready to inspect frames. `sorters` are those that the station has; None: it has no line.

    Raises ConfigError or ModelError if anything about the recipe or its model is in doubt.
    """

    def __init__(
        self,
        recipe: Recipe,
        config: LineConfig,
        calibration_id: str = "",
        plane: Plane | None = None,
        sorters: frozenset[int] | None = None,
    ) -> None:
        for number, rule in enumerate(recipe.sort):
            if sorters is not None and rule.sorter not in sorters:
                wanted = f"one of {sorted(sorters)}" if sorters else "no [[sort]]: there are no sorters"
                raise ConfigError(
                    f"recipe {recipe.id!r}: key 'sort.{number}.sorter' is {rule.sorter}, wanted {wanted} "
                    "([[controller.sorter]] in the station file)"
                )
        folder = recipe.path(recipe.model)
        self.recipe = recipe
        self.runner = Runner(folder, threads=config.model_threads, spinning=config.model_spinning)
        card = self.runner.card
        self.calibration_id = calibration_id
        self.plane = plane
        self.sorters = sorters
        if card.patch.locate is None:
            raise ModelError(f"{folder}: has no taught reference of the part (patch.locate); teach the model again")
        read_checked(folder, card.patch.locate)
        self._reference = Reference.load(folder / card.patch.locate.file)
        self._locator = Locator(self._reference, recipe.locate)
        spec = PatchSpec(kind=card.patch.kind, height=card.patch.height, width=card.patch.width)
        self._patch = PatchMaker(spec, self._locator)
        self._regions = self._make_regions()
        self._size = (card.patch.height, card.patch.width)
        self._label = card.output.labels[0]
        self._measurer = Measurer(recipe, plane, self._size)
        self._codes = CodeReader(recipe, self._size)
        self._before: Pixels | None = None
        self._map: tuple[int | None, FloatMap, Affine] | None = None

    def inspect(self, frame: Frame) -> Inspection:
        """The inspection of a frame that is bound to its part. Trouble with the picture is NOT_INSPECTED."""
        walk, self._map = _Walk(self, frame), None
        width, height = self._reference.picture_wh
        if frame.pixels.shape[:2] != (height, width):
            return walk.refuse([_wrong_size(frame, width, height)])

        small = shrink(frame.pixels, self._reference.factor)
        walk.lap("shrink")
        try:
            sighting = self._locator.see(small)
        except ImageError as why:
            return walk.refuse([Reason(code="unfit", text=str(why))])
        walk.lap("locate")
        before, self._before = self._before, small
        unfit = check(
            frame.pixels,
            small,
            before,
            self.recipe.health,
            taught=self._reference.health,
            sighting=sighting,
            locate=self.recipe.locate,
        )
        walk.lap("health")
        walk.pose = sighting.poses[0] if sighting.poses else None
        if unfit or walk.pose is None:
            return walk.refuse(unfit or [Reason(code="no_part", text="no part was found in the picture")])

        prepared = self._patch.make_at(frame.pixels, walk.pose, self.runner.buffer)
        walk.lap("patch")
        if self.recipe.measure:
            walk.measurements = self._measurer.measure(frame.pixels, self.runner.buffer, prepared.transform)
            walk.lap("measure")
        if self.recipe.code:
            walk.codes = self._codes.read(frame.pixels, prepared.transform)
            walk.lap("codes")
        output = self.runner.run(self.runner.buffer)
        self._map = (frame.part_id, output.map, prepared.transform)
        walk.heat = partial(heat_map, output.map.copy(), self._regions, prepared.transform, self._size)
        walk.lap("model")
        found = find_defects(
            output, self._regions, prepared.transform, self._size, self._label, self.runner.card.output.top_cells
        )
        walk.lap("find")
        verdict, reasons = judge(found.score, self.recipe.threshold, found.defects, walk.measurements, walk.codes)
        defects = (*found.defects, *out_of_tolerance(walk.measurements))
        walk.lap("decide")
        return walk.say(verdict, reasons, defects, found.score)

    def heat(self, part_id: int) -> HeatMap | None:
        """The model's map of this part as the screens draw it; None unless the last picture was its, and judged."""
        if self._map is None or self._map[0] != part_id:
            return None
        return heat_map(self._map[1], self._regions, self._map[2], self._size)

    def forget_frame(self) -> None:
        """The next frame has no predecessor: the belt stood, or the camera was opened again."""
        self._before = None

    def _make_regions(self) -> Regions:
        mask = load_mask(self.recipe.path(self.recipe.ignore)) if self.recipe.ignore else None
        output = self.runner.card.output
        return make_regions(self.recipe, (output.map_height, output.map_width), mask)


class _Walk:
    """One frame's way through `Line.inspect`: its pose, measurements and codes so far, and what each stage took."""

    def __init__(self, line: Line, frame: Frame) -> None:
        if frame.part_id is None:
            raise ModelError(f"frame {frame.frame_id} of camera {frame.camera!r} is not bound to a part")
        self._line = line
        self._frame = frame
        self._part_id = frame.part_id
        self._stage_ms: dict[str, float] = {}
        self._since_ns = perf_ns()
        self.pose: Pose | None = None
        self.measurements: tuple[Measurement, ...] = ()
        self.codes: tuple[tuple[Code, CodeRead], ...] = ()
        self.heat: Callable[[], HeatMap] | None = None

    def lap(self, stage: str) -> None:
        now_ns = perf_ns()
        self._stage_ms[stage] = (now_ns - self._since_ns) / 1e6
        self._since_ns = now_ns

    def refuse(self, reasons: Sequence[Reason]) -> Inspection:
        return self.say(Verdict.NOT_INSPECTED, reasons, (), None)

    def say(
        self, verdict: Verdict, reasons: Sequence[Reason], defects: Sequence[Defect], score: float | None
    ) -> Inspection:
        recipe = self._line.recipe
        return Inspection(
            part_id=self._part_id,
            frame_id=self._frame.frame_id,
            verdict=verdict,
            reasons=tuple(reasons),
            defects=tuple(defects),
            score=score,
            pose=self.pose,
            stage_ms=self._stage_ms,
            measurements=self.measurements,
            codes=tuple(read for _, read in self.codes),
            serial=self.codes[0][1].content if self.codes else "",
            sorter=sorter_of(verdict, reasons, recipe.sort),
            recipe_id=recipe.id,
            recipe_rev=recipe.revision,
            model_sha=self._line.runner.model_sha,
            calibration_id=self._line.calibration_id,
            heat=self.heat,
        )


def _wrong_size(frame: Frame, width: int, height: int) -> Reason:
    found = f"{frame.pixels.shape[1]} x {frame.pixels.shape[0]}"
    return Reason(code="wrong_size", text=f"the picture is {found}, the recipe was taught at {width} x {height}")
