// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IVault} from "./IVault.sol";
import {VaultDeposits} from "./VaultDeposits.sol";

/// @title Vaults with reserved lanes, paid by vouchers
/// @dev No owner, no proxy, no upgrade. State changes before tokens move, and the guard holds
/// across every function that moves them.
contract Vault is VaultDeposits {
    using SafeERC20 for IERC20;

    /// @notice Most rows of one batch.
    uint256 public constant ROWS_MAX = 200;

    // ---------------------------------------------------------------- lanes

    /// @inheritdoc IVault
    function reserve(bytes32 vaultId, Reservation[] calldata reservations) external {
        _reserve(vaultId, _owned(vaultId), reservations);
    }

    /// @inheritdoc IVault
    function reserveBySignature(
        bytes32 vaultId,
        Reservation[] calldata reservations,
        uint48 validBefore,
        bytes calldata signature
    ) external {
        VaultState storage vault = _known(vaultId);
        if (block.timestamp >= validBefore) revert Late(validBefore);
        _rows(reservations.length);
        bytes32 digest = _reserveDigest(vaultId, reservations, validBefore);
        if (!_signedByAccount(vault.owner, digest, signature)) revert BadSignature();
        _reserve(vaultId, vault, reservations);
    }

    function _reserve(bytes32 vaultId, VaultState storage vault, Reservation[] calldata reservations) private {
        _rows(reservations.length);
        uint128 free = vault.free;
        for (uint256 i = 0; i < reservations.length; ++i) {
            Reservation calldata row = reservations[i];
            if (row.payee == address(0) || row.payee == address(this)) revert BadReceiver(row.payee);
            bytes32 laneId = laneIdOf(vaultId, row.payee, row.number);
            Lane storage lane = _lanes[laneId];
            if (lane.closed) revert LaneIsClosed(laneId);
            if (lane.exitAt != 0) revert LaneIsExiting(laneId);
            uint128 reserved = lane.reserved;
            if (row.total <= reserved) continue;
            if (row.total > type(uint104).max) revert TooMuch(row.total, type(uint104).max);
            uint128 more = row.total - reserved;
            if (more > free) revert InsufficientFree(more, free);
            free -= more;
            if (reserved == 0) {
                lane.vaultId = vaultId;
                lane.payee = row.payee;
                lane.number = row.number;
            }
            lane.reserved = uint104(row.total);
            emit Reserved(laneId, vaultId, row.payee, row.number, row.total);
        }
        vault.free = free;
    }

    /// @inheritdoc IVault
    function exit(bytes32 laneId) external {
        Lane storage lane = _lane(laneId);
        VaultState storage vault = _owned(lane.vaultId);
        if (lane.exitAt != 0) return;
        lane.exitAt = uint40(block.timestamp + vault.delay);
        emit ExitStarted(laneId, lane.exitAt);
    }

    /// @inheritdoc IVault
    function finalize(bytes32 laneId) external {
        Lane storage lane = _lane(laneId);
        if (lane.exitAt == 0 || block.timestamp < lane.exitAt) revert NotYet(lane.exitAt);
        _close(laneId, lane);
    }

    /// @inheritdoc IVault
    function release(bytes32 laneId, uint128 finalClaimed, bytes calldata signature) external {
        Lane storage lane = _lane(laneId);
        if (msg.sender != lane.payee || signature.length != 0) {
            if (!_signedBy(lane.payee, _releaseDigest(laneId, finalClaimed), signature)) revert BadSignature();
        }
        if (lane.claimed < finalClaimed) revert ClaimFirst(lane.claimed, finalClaimed);
        _close(laneId, lane);
    }

    /// @dev What is left can be no more than at the exit: an exiting lane takes no top-up.
    function _close(bytes32 laneId, Lane storage lane) private {
        uint128 rest = lane.reserved - lane.claimed;
        lane.closed = true;
        _vaults[lane.vaultId].free += rest;
        emit LaneClosed(laneId, lane.claimed, rest);
    }

    // ---------------------------------------------------------------- money out

    /// @inheritdoc IVault
    function claim(Batch[] calldata batches) external nonReentrant returns (uint256 paid) {
        uint256 first;
        for (uint256 i = 0; i < batches.length; ++i) {
            paid += _claim(batches[i], first);
            first += batches[i].rows.length;
        }
        _rows(first);
    }

    /// @dev One vault, one payee, one transfer; `first` is the place of the first row over all batches.
    function _claim(Batch calldata batch, uint256 first) private returns (uint128 due) {
        VaultState storage vault = _vaults[batch.vaultId];
        address voucherKey = vault.voucherKey;
        for (uint256 i = 0; i < batch.rows.length; ++i) {
            Claim calldata row = batch.rows[i];
            bytes32 laneId = laneIdOf(batch.vaultId, batch.payee, row.number);
            (uint128 amount, uint128 total, Refusal reason) = _settle(row, laneId, voucherKey);
            if (reason == Refusal.None) {
                due += amount;
                emit Claimed(laneId, batch.payee, amount, total, row.ref);
            } else {
                emit Refused(first + i, batch.payee == address(0) ? batch.vaultId : laneId, reason);
            }
        }
        _pay(vault.token, batch.payee, due);
    }

    /// @dev The lane's id proves vault and payee: its word of amounts is all there is to read.
    function _settle(Claim calldata row, bytes32 laneId, address voucherKey)
        private
        returns (uint128 amount, uint128 total, Refusal reason)
    {
        Lane storage lane = _lanes[laneId];
        (uint104 reserved, uint104 claimed, bool closed) = (lane.reserved, lane.claimed, lane.closed);
        if (reserved == 0) return (0, 0, Refusal.UnknownLane);
        if (closed) return (0, 0, Refusal.Closed);
        bytes32 digest;
        (total, digest, reason) = _total(row, laneId);
        if (reason != Refusal.None) return (0, 0, reason);
        if (total <= claimed) return (0, 0, Refusal.NothingNew);
        if (total > reserved) return (0, 0, Refusal.OverReserve);
        if (!_signedBy(voucherKey, digest, row.signature)) return (0, 0, Refusal.Signature);
        lane.claimed = uint104(total);
        amount = total - claimed;
    }

    /// @dev The lane's total that the row entitles to now, and what must have been signed for it.
    function _total(Claim calldata row, bytes32 laneId) private view returns (uint128 total, bytes32 digest, Refusal) {
        total = row.cumulative;
        if (row.kind == 0) return (total, _plainDigest(laneId, total, row.ref), Refusal.None);
        if (row.kind > 2 || row.condition.length != 128) return (0, 0, Refusal.Malformed);
        if (row.kind == 1) {
            Lock memory lock = abi.decode(row.condition, (Lock));
            if (lock.amount > total) return (0, 0, Refusal.Malformed);
            if (block.timestamp >= lock.expiry) return (0, 0, Refusal.Expired);
            if (sha256(abi.encode(lock.preimage)) != lock.lockHash) return (0, 0, Refusal.Preimage);
            return (total, _lockedDigest(laneId, total, lock, row.ref), Refusal.None);
        }
        Hold memory hold = abi.decode(row.condition, (Hold));
        if (hold.amount > total) return (0, 0, Refusal.Malformed);
        if (block.timestamp >= hold.expiry) return (0, 0, Refusal.Expired);
        digest = _escrowDigest(EscrowVoucher(laneId, total, hold.amount, hold.arbiter, hold.challengeEnd, hold.expiry, row.ref));
        uint256 ruling = _rulings[digest];
        if (ruling != 0) return (total - hold.amount + uint128(ruling - 1), digest, Refusal.None);
        if (block.timestamp < hold.challengeEnd) return (0, 0, Refusal.TooEarly);
        return (total, digest, Refusal.None);
    }

    /// @dev A payee that cannot receive is credited, so that it cannot hold up a batch.
    function _pay(address token, address payee, uint128 amount) private {
        if (amount == 0) return;
        if (IERC20(token).trySafeTransfer(payee, amount)) return;
        _credits[token][payee] += amount;
        emit Credited(token, payee, amount);
    }

    /// @inheritdoc IVault
    function collect(address token, address to) external nonReentrant {
        if (to == address(this)) revert BadReceiver(to);
        uint128 amount = _credits[token][msg.sender];
        if (amount == 0) revert NothingToCollect();
        _credits[token][msg.sender] = 0;
        emit Collected(token, msg.sender, to, amount);
        IERC20(token).safeTransfer(to, amount);
    }

    /// @inheritdoc IVault
    function withdraw(bytes32 vaultId, uint128 amount, address to) external nonReentrant {
        VaultState storage vault = _owned(vaultId);
        if (to == address(this)) revert BadReceiver(to);
        if (amount > vault.free) revert InsufficientFree(amount, vault.free);
        vault.free -= amount;
        emit Withdrawn(vaultId, to, amount);
        IERC20(vault.token).safeTransfer(to, amount);
    }

    // ---------------------------------------------------------------- escrow

    /// @inheritdoc IVault
    function rule(EscrowVoucher calldata voucher, uint128 payeeAmount, bytes calldata signature) external {
        bytes32 voucherHash = _escrowDigest(voucher);
        if (block.timestamp >= voucher.challengeEnd) revert ChallengeOver(voucher.challengeEnd);
        if (payeeAmount > voucher.amount) revert RulingTooHigh(payeeAmount, voucher.amount);
        if (!_signedBy(voucher.arbiter, _rulingDigest(voucherHash, payeeAmount), signature)) revert BadSignature();
        if (_rulings[voucherHash] != 0) revert AlreadyRuled(voucherHash);
        _rulings[voucherHash] = uint256(payeeAmount) + 1;
        emit Ruled(voucherHash, voucher.arbiter, payeeAmount);
    }

    // ---------------------------------------------------------------- reads

    /// @inheritdoc IVault
    function vaultOf(bytes32 vaultId) external view returns (VaultState memory) {
        return _vaults[vaultId];
    }

    /// @inheritdoc IVault
    function laneOf(bytes32 laneId) external view returns (Lane memory lane, VaultState memory vault) {
        lane = _lanes[laneId];
        vault = _vaults[lane.vaultId];
    }

    /// @inheritdoc IVault
    function lanesOf(bytes32[] calldata laneIds) external view returns (Lane[] memory lanes) {
        lanes = new Lane[](laneIds.length);
        for (uint256 i = 0; i < laneIds.length; ++i) lanes[i] = _lanes[laneIds[i]];
    }

    /// @inheritdoc IVault
    function creditOf(address token, address account) external view returns (uint128) {
        return _credits[token][account];
    }

    /// @inheritdoc IVault
    function rulingOf(bytes32 voucherHash) external view returns (bool ruled, uint128 payeeAmount) {
        uint256 ruling = _rulings[voucherHash];
        return ruling == 0 ? (false, uint128(0)) : (true, uint128(ruling - 1));
    }

    /// @inheritdoc IVault
    function orderUsed(bytes32 orderHash) external view returns (bool) {
        return _orders[orderHash];
    }

    // ---------------------------------------------------------------- checks

    function _rows(uint256 rows) private pure {
        if (rows == 0 || rows > ROWS_MAX) revert RowCount(rows, ROWS_MAX);
    }
}
