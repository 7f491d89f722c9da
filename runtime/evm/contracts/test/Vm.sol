// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev The few cheatcodes of forge that these tests use; forge-std on npm is an old unofficial copy.
interface Vm {
    function addr(uint256 privateKey) external pure returns (address);
    function sign(uint256 privateKey, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function warp(uint256 timestamp) external;
    function chainId(uint256 id) external;
    function prank(address sender) external;
    function startPrank(address sender) external;
    function stopPrank() external;
    function etch(address target, bytes calldata code) external;
    function expectRevert() external;
    function expectRevert(bytes calldata data) external;
    function expectRevert(bytes4 selector) external;
    function assume(bool condition) external pure;
    function snapshotState() external returns (uint256 id);
    function revertToState(uint256 id) external returns (bool);
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256);
}

Vm constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

error NotEqual(uint256 a, uint256 b, string what);
error NotTrue(string what);

function equal(uint256 a, uint256 b, string memory what) pure {
    if (a != b) revert NotEqual(a, b, what);
}

function isTrue(bool condition, string memory what) pure {
    if (!condition) revert NotTrue(what);
}

function bound(uint256 x, uint256 low, uint256 high) pure returns (uint256) {
    return x >= low && x <= high ? x : low + x % (high - low + 1);
}
