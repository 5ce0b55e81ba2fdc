"""The two ways to show an environment in a video: its own rendering, or drawings of its scenes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from hamlet.envs.camera import Camera, Picture
from hamlet.envs.host import AnyEnvironment
from hamlet.envs.scene import Scene, whole_view
from hamlet.errors import RequestError
from hamlet.video.drawing import between, draw, imaging, size_of
from hamlet.video.moments import Moment, Pace, strided

Key = tuple[tuple[str, int], ...]


class Shot(NamedTuple):
    """A frame of a video.

    Attributes:
        moment: The moment that is shown.
        picture: A Pillow image.
        words: The moment's own caption.
    """

    moment: Moment
    picture: Any
    words: str = ""


class Viewpoint(Protocol):
    """A way to show an environment."""

    @property
    def env(self) -> AnyEnvironment:
        """The environment to run."""
        ...

    @property
    def remark(self) -> str:
        """A line on why the environment's own rendering is not shown; empty if there is nothing to report."""
        ...

    def pace(self, moment: Moment) -> Pace:
        """Return the pace of a video, from its first moment."""
        ...

    def key(self, moment: Moment, names: Sequence[str]) -> Key:
        """Return the agents that have colours in this moment, with their numbers."""
        ...

    def words(self, moment: Moment) -> str:
        """Return the caption of a moment."""
        ...

    def shots(self, moments: Iterable[Moment], pace: Pace) -> Iterator[Shot]:
        """Yield the frames of an episode."""
        ...

    def close(self) -> None:
        """Close everything that was opened."""
        ...


class RenderedView:
    """Shows an environment by its own rendering.

    Args:
        camera: The environment's camera.
        width: The target width of pictures, in pixels; the actual width is as close as possible.
    """

    remark = ""

    def __init__(self, camera: Camera, width: int) -> None:
        self._camera, self._width = camera, width
        self._size: tuple[int, int] | None = None
        self.env = camera.env

    def pace(self, moment: Moment) -> Pace:
        """Return the pace that the environment declares."""
        return Pace.of(self._camera.picture(moment.state).seconds)

    def key(self, moment: Moment, names: Sequence[str]) -> Key:
        """Return all agents if the camera shows them in their colours, else none."""
        return tuple((name, number) for number, name in enumerate(names)) if self._camera.coloured else ()

    def words(self, moment: Moment) -> str:
        """Return no caption: the rendering shows everything."""
        return ""

    def shots(self, moments: Iterable[Moment], pace: Pace) -> Iterator[Shot]:
        """Yield each picture in as many frames as the pace requires."""
        for moment in strided(moments, pace.stride):
            image = scaled(self._camera.picture(moment.state), self._width)
            self._size = self._size or image.size
            shot = Shot(moment, image if image.size == self._size else image.resize(self._size))
            yield from (shot,) * pace.repeat

    def close(self) -> None:
        """Close the camera."""
        self._camera.close()


class DrawnView:
    """Shows an environment by drawings of its scenes, with smooth motion between the moments.

    Args:
        env: The environment.
        width: The width of pictures, in pixels.
        remark: Why the environment's own rendering is not shown.
    """

    def __init__(self, env: Any, width: int, remark: str = "") -> None:
        self.env, self._width, self.remark = env, width, remark
        self._size: tuple[int, int] | None = None
        self._scene: Callable[..., Scene] = env.scene

    def pace(self, moment: Moment) -> Pace:
        """Return the pace that the scene declares."""
        return Pace.of(self._of(moment).seconds)

    def key(self, moment: Moment, names: Sequence[str]) -> Key:
        """Return the agents whose colours are in the scene."""
        colours = {getattr(shape, "colour", None) for shape in self._of(moment).shapes}
        return tuple((name, number) for number, name in enumerate(names) if number in colours)

    def words(self, moment: Moment) -> str:
        """Return the scene's caption."""
        return self._of(moment).caption

    def shots(self, moments: Iterable[Moment], pace: Pace) -> Iterator[Shot]:
        """Yield the frames; first collect the whole episode, so that the visible area contains all shapes."""
        shown = list(strided(moments, pace.stride))
        scenes = [self._of(moment) for moment in shown]
        view = scenes[0].view if scenes[0].centre is not None else whole_view(scenes)
        self._size = self._size or size_of(view, self._width)
        for moment, here, there in zip(shown, scenes, [*scenes[1:], scenes[-1]], strict=True):
            for part in range(pace.repeat):
                yield Shot(moment, draw(between(here, there, part / pace.repeat), view, self._size), here.caption)

    def close(self) -> None:
        """Do nothing: nothing was opened."""

    def _of(self, moment: Moment) -> Scene:
        return self._scene(moment.state, moment.actions)


def view_of(env: AnyEnvironment, width: int) -> Viewpoint:
    """Return the way to show an environment: its own rendering, else drawings of its scenes.

    Raises:
        RequestError: The environment can be neither rendered nor drawn.
    """
    drawn = hasattr(env, "scene")
    if drawn and not hasattr(env, "camera"):
        return DrawnView(env, width)
    try:
        return RenderedView(camera_of(env), width)
    except RequestError as error:
        if not drawn:
            raise
        return DrawnView(env, width, f"{error}; the video shows drawings of its scenes instead")


def camera_of(env: AnyEnvironment) -> Camera:
    """Return the camera of an environment.

    Raises:
        RequestError: It has no camera, or it cannot be rendered on this machine.
    """
    camera: Callable[[], Camera] | None = getattr(env, "camera", None)
    if camera is None:
        raise RequestError(f"{type(env).__name__} cannot be drawn; give it a scene method or a camera method")
    return camera()


def scaled(picture: Picture, width: int) -> Any:
    """Return a picture as an image of about this width; small ones are enlarged pixel by pixel, large ones averaged."""
    pillow = imaging()
    image = pillow.fromarray(picture.pixels)
    longest = max(image.size)
    if longest > width:
        size = tuple(max(1, round(side * width / longest)) for side in image.size)
        return image.resize(size, pillow.Resampling.LANCZOS)
    times = max(1, width // longest)
    return image.resize((image.width * times, image.height * times), pillow.Resampling.NEAREST)
