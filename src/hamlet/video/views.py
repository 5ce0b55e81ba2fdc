"""How an environment is shown in a video: as it renders itself, or drawn from the shapes of its scenes."""

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
        moment: Which is shown.
        picture: An image of Pillow.
        words: Of the moment's own.
    """

    moment: Moment
    picture: Any
    words: str = ""


class Viewpoint(Protocol):
    """How an environment is shown."""

    @property
    def env(self) -> AnyEnvironment:
        """What is to be played."""
        ...

    @property
    def remark(self) -> str:
        """Why it is not shown otherwise, in a line; empty where nothing is to be said."""
        ...

    def pace(self, moment: Moment) -> Pace:
        """The pace of a video, by its first moment."""
        ...

    def key(self, moment: Moment, names: Sequence[str]) -> Key:
        """Of some agents those that have colours, by a moment, with their numbers."""
        ...

    def words(self, moment: Moment) -> str:
        """What a moment says of itself."""
        ...

    def shots(self, moments: Iterable[Moment], pace: Pace) -> Iterator[Shot]:
        """The frames of an episode."""
        ...

    def close(self) -> None:
        """End what was opened."""
        ...


class RenderedView:
    """An environment as it renders itself.

    Args:
        camera: Its own.
        width: To which pictures are brought, as near as they can be; in pixels.
    """

    remark = ""

    def __init__(self, camera: Camera, width: int) -> None:
        self._camera, self._width = camera, width
        self._size: tuple[int, int] | None = None
        self.env = camera.env

    def pace(self, moment: Moment) -> Pace:
        """As fast as the environment says."""
        return Pace.of(self._camera.picture(moment.state).seconds)

    def key(self, moment: Moment, names: Sequence[str]) -> Key:
        """All agents, where the camera shows them in their colours."""
        return tuple((name, number) for number, name in enumerate(names)) if self._camera.coloured else ()

    def words(self, moment: Moment) -> str:
        """None: what is to be said, it renders."""
        return ""

    def shots(self, moments: Iterable[Moment], pace: Pace) -> Iterator[Shot]:
        """Each picture in as many frames as it takes."""
        for moment in strided(moments, pace.stride):
            image = scaled(self._camera.picture(moment.state), self._width)
            self._size = self._size or image.size
            shot = Shot(moment, image if image.size == self._size else image.resize(self._size))
            yield from (shot,) * pace.repeat

    def close(self) -> None:
        """End the camera."""
        self._camera.close()


class DrawnView:
    """An environment as its scenes are drawn, which move smoothly from one moment to the next.

    Args:
        env: The environment.
        width: Of pictures, in pixels.
        remark: Why it does not render itself.
    """

    def __init__(self, env: Any, width: int, remark: str = "") -> None:
        self.env, self._width, self.remark = env, width, remark
        self._size: tuple[int, int] | None = None
        self._scene: Callable[..., Scene] = env.scene

    def pace(self, moment: Moment) -> Pace:
        """As fast as the scene says."""
        return Pace.of(self._of(moment).seconds)

    def key(self, moment: Moment, names: Sequence[str]) -> Key:
        """Those whose colours the scene has."""
        colours = {getattr(shape, "colour", None) for shape in self._of(moment).shapes}
        return tuple((name, number) for number, name in enumerate(names) if number in colours)

    def words(self, moment: Moment) -> str:
        """The scene's caption."""
        return self._of(moment).caption

    def shots(self, moments: Iterable[Moment], pace: Pace) -> Iterator[Shot]:
        """All of an episode is known before the first is drawn: nothing shall leave the view."""
        shown = list(strided(moments, pace.stride))
        scenes = [self._of(moment) for moment in shown]
        view = scenes[0].view if scenes[0].centre is not None else whole_view(scenes)
        self._size = self._size or size_of(view, self._width)
        for moment, here, there in zip(shown, scenes, [*scenes[1:], scenes[-1]], strict=True):
            for part in range(pace.repeat):
                yield Shot(moment, draw(between(here, there, part / pace.repeat), view, self._size), here.caption)

    def close(self) -> None:
        """Nothing is open."""

    def _of(self, moment: Moment) -> Scene:
        return self._scene(moment.state, moment.actions)


def view_of(env: AnyEnvironment, width: int) -> Viewpoint:
    """How an environment is shown: as it renders itself, else by its scenes.

    Raises:
        RequestError: By neither.
    """
    drawn = hasattr(env, "scene")
    if drawn and not hasattr(env, "camera"):
        return DrawnView(env, width)
    try:
        return RenderedView(camera_of(env), width)
    except RequestError as error:
        if not drawn:
            raise
        return DrawnView(env, width, f"{error}; what is shown is drawn from its scenes")


def camera_of(env: AnyEnvironment) -> Camera:
    """What renders an environment.

    Raises:
        RequestError: Nothing does, or not on this machine.
    """
    camera: Callable[[], Camera] | None = getattr(env, "camera", None)
    if camera is None:
        raise RequestError(f"{type(env).__name__} does not say how it is drawn; give it a scene method, or a camera")
    return camera()


def scaled(picture: Picture, width: int) -> Any:
    """A picture as an image of about a width: the pixels of a small one become squares, a large one is averaged."""
    pillow = imaging()
    image = pillow.fromarray(picture.pixels)
    longest = max(image.size)
    if longest > width:
        size = tuple(max(1, round(side * width / longest)) for side in image.size)
        return image.resize(size, pillow.Resampling.LANCZOS)
    times = max(1, width // longest)
    return image.resize((image.width * times, image.height * times), pillow.Resampling.NEAREST)
