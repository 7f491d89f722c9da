// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {VaultDigests} from "./VaultDigests.sol";

/// @title What the vaults keep, and the checks on it
/// @dev All of the storage, in the order that readers of proofs count on (`runtime/evm/storage.ts`).
abstract contract VaultStorage is VaultDigests {
    mapping(bytes32 vaultId => VaultState) internal _vaults;
    mapping(bytes32 laneId => Lane) internal _lanes;
    mapping(address token => mapping(address account => uint128)) internal _credits;
    /// @dev payeeAmount + 1; zero where there is no ruling.
    mapping(bytes32 voucherHash => uint256) internal _rulings;
    /// @dev Deposit orders that were used, by their digest.
    mapping(bytes32 orderHash => bool) internal _orders;

    function _known(bytes32 vaultId) internal view returns (VaultState storage vault) {
        vault = _vaults[vaultId];
        if (vault.owner == address(0)) revert UnknownVault(vaultId);
    }

    function _owned(bytes32 vaultId) internal view returns (VaultState storage vault) {
        vault = _known(vaultId);
        if (msg.sender != vault.owner) revert NotOwner(msg.sender, vault.owner);
    }

    function _lane(bytes32 laneId) internal view returns (Lane storage lane) {
        lane = _lanes[laneId];
        if (lane.vaultId == 0) revert UnknownLane(laneId);
        if (lane.closed) revert LaneIsClosed(laneId);
    }
}
